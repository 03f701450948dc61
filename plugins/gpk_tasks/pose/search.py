r"""Where a photo's camera may stand: photos against pictures of a few codes, seen from a grid of views.

With d the distance between photo n and code k seen from view p, and a_k how well the album as a whole likes the code,
the codes are summed over by a soft minimum at temperature T:

    S_np = -T log mean_k exp(-(d_nkp + a_k) / T),   a_k = mean_n min_p d_nkp

for nobody asked which code it is, and all photos of an album show one subject. The views where S is least among their
neighbours are the hypotheses.

Shapes: N photos, K codes, P views of a grid of Q pitches and Y yaws, H hypotheses, L latent layers, D latent width,
R image side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from gpk.album import Album, resize
from gpk.camera import Camera
from gpk.context import Context
from gpk.judges import Distance, FeatureDistance
from gpk.seeding import parts
from gpk_tasks.descent import State, Tick

AT_ONCE = 8
"""Photos that a view is compared with together."""


class Grid(NamedTuple):
    """Views to search: `yaw` [Y] and `pitch` [Q] in radians, rising and evenly spaced."""

    yaw: Tensor
    pitch: Tensor

    def angles(self) -> Tensor:
        """Yaws and pitches [2, P], the yaws of a pitch together."""
        pitch, yaw = torch.meshgrid(self.pitch, self.yaw, indexing="ij")
        return torch.stack([yaw.flatten(), pitch.flatten()])

    def steps(self) -> Tensor:
        """The distances [2] of neighbours, of yaws and of pitches; 0 along an axis that has one place."""
        return torch.stack([axis[1] - axis[0] if len(axis) > 1 else axis.new_zeros(()) for axis in self])


def grid_within(yaw: float, pitch: float, *, columns: int, rows: int) -> Grid:
    """`columns` yaws over +-`yaw` and `rows` pitches over +-`pitch`; the front alone where there is one."""
    sides = ((yaw, columns), (pitch, rows))
    return Grid(*(torch.linspace(-most, most, count) if count > 1 else torch.zeros(1) for most, count in sides))


@torch.no_grad()
def searched(
    context: Context,
    album: Album,
    codes: Tensor,
    cameras: Camera,
    *,
    side: int,
    stage: str = "poses",
    start: State | None = None,
    tick: Tick = lambda state: None,
) -> dict[str, Tensor]:
    """`distances` [N, K, P] of every photo of the album to every code [K, L, D] as each of the P cameras sees it.

    Each view is rendered once, a code's subject made once for all of them, and each photo is looked at once. Pictures
    larger than `side` are compared at it. `tick` is called after every code with a function that gives the state;
    `start` is such a state, to go on from.
    """
    photos = album.photos
    album = album.resized(min(side, photos.shape[-1]))
    apart = against(context.distance, album.photos, album.masks)
    known = photos.new_zeros(len(photos), 0, len(cameras)) if start is None else start[0]["distances"].to(photos)
    for index in range(known.shape[1], len(codes)):
        views = context.generator.views(codes[index : index + 1], cameras)
        row = torch.stack([apart(view.image.float()) for view in views], dim=1)
        known = torch.cat([known, row[:, None]], dim=1)
        context.logger.progress(stage, index + 1, len(codes), {"distance": row.amin(1).mean().item()})
        tick(lambda known=known, index=index: ({"distances": known}, {"code": index + 1}))
    return {"distances": known}


def against(distance: Distance, photos: Tensor, masks: Tensor | None = None) -> Callable[[Tensor], Tensor]:
    """What tells how far a picture [1, 3, R, R], brought to the photos' side, is from each of the photos: [N].

    Where masks [N, 1, R, R] tell that part of a photo is made up, the picture is compared with that part taken from the
    photo, and so by itself: of photos that are real throughout it is looked at once for all.
    """
    whole = torch.ones(len(photos), dtype=torch.bool) if masks is None else (masks == 1).all(3).all(2).all(1).cpu()
    places = [torch.nonzero(chosen)[:, 0] for chosen in (whole, ~whole)]
    rows = [place[part] for place in places for part in parts(len(place), AT_ONCE)]
    look_at = distance.features if isinstance(distance, FeatureDistance) else lambda images: (images,)
    known: list[Sequence[Tensor]] = [look_at(photos[row]) for row in rows]

    def apart(picture: Tensor) -> Tensor:
        picture = resize(picture, photos.shape[-1])
        levels = look_at(picture)
        found = photos.new_zeros(len(photos))
        for row, there in zip(rows, known, strict=True):
            here = levels
            if masks is not None and not whole[row[0]]:
                here = look_at(torch.lerp(photos[row], picture, masks[row]))
            here = [level.expand_as(other) for level, other in zip(here, there, strict=True)]
            found[row] = (
                distance.between(here, there) if isinstance(distance, FeatureDistance) else distance(*here, *there)
            )
        return found

    return apart


def marginal(distances: Tensor, temperature: float) -> Tensor:
    """S [N, P] of distances [N, K, P]; `temperature` counts in standard deviations of a photo's distances over the
    views, their root mean square.
    """
    unit = temperature * distances.var(2, correction=0).mean().sqrt().clamp_min(1e-12)
    album = distances.amin(2).mean(0)[None, :, None]
    return -unit * torch.logsumexp(-(distances + album - album.min()) / unit, 1)


def peaks(scores: Tensor, grid: Grid, count: int) -> Tensor:
    """The views [N, H] of least score [N, P] among their neighbours, the least first.

    Where a photo has fewer such views than `count`, its best stands in for the missing ones.
    """
    maps = scores.unflatten(1, (len(grid.pitch), len(grid.yaw)))[:, None]
    least = -F.max_pool2d(F.pad(-maps, (1, 1, 1, 1), value=-torch.inf), 3, stride=1)
    alone = torch.where(maps <= least, maps, torch.inf).flatten(1)
    values, places = alone.topk(min(count, alone.shape[1]), dim=1, largest=False)
    places = torch.where(values.isfinite(), places, places[:, :1])
    return F.pad(places, (0, count - places.shape[1]), mode="replicate") if places.shape[1] < count else places
