r"""Where inversion begins: for each photo the best of some codes drawn by lot, the mean code among them.

At the mean a generator may be flat, and a descent that begins there never moves: behind a normalisation and a ReLU no
unit of a DCGAN lives at the code 0, so its gradient is zero exactly. And a face that is somewhat like the photo's is
nearer to it than the mean of all faces. Where the mean is flat it is left out: of few draws none may be as near as a
grey picture that leads nowhere.

Shapes: N photos, B codes whose pictures are made at once, K codes drawn, L latent layers, D latent width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gpk.context import Context
from gpk.generator import Render
from gpk.judges import FeatureDistance
from gpk.latents import anchors_as_ws
from gpk.loss import Reconstruction
from gpk.seeding import parts, seeded
from gpk_tasks.descent import NOTHING
from gpk_tasks.memory import photos_at_once
from gpk_tasks.personalize.settings import Inversion
from gpk_tasks.renders import shrunk

STAGE = "starting codes"
AT_ONCE = 32
"""Codes rendered at once, at most."""


@torch.no_grad()
def best_starts(
    context: Context, mean: Tensor, settings: Inversion, *, draws: int, seed: int = 0, memory: float | None = None
) -> Tensor:
    """For each of the context's photos the code [N, D] whose picture has the least loss, of the `mean` [D] and
    `draws` others; the mean not where the generator is flat there. A photo with a camera is compared with pictures
    from there.
    """
    album, generator, s = context.album, context.generator, settings
    codes = torch.cat([mean[None], drawn(context, draws, seed=seed)])
    glance = _Glance(context.distance) if isinstance(context.distance, FeatureDistance) else None
    apart = Reconstruction(
        album.photos, glance or context.distance, l2=s.l2, perceptual=s.perceptual, masks=album.masks
    )  # fmt: skip
    cameras = album.cameras

    def losses(some: Tensor, photos: Sequence[int]) -> Tensor:
        """Of the pictures of some codes [B, D], for each of these photos, which have a camera in common: [N, B]."""
        w = anchors_as_ws(some, generator.latent.num_ws)
        camera = None if cameras is None else cameras[photos[0]].expand(len(w))
        levels = shrunk(generator(w, camera), s.side).pyramid
        render = Render(*(level.float() for level in levels))
        if glance is not None:
            glance.forget()
        return torch.stack([apart(render, torch.full((len(w),), photo)).total for photo in photos])

    views = [[photo] for photo in range(len(album))] if cameras is not None else [[*range(len(album))]]
    with torch.enable_grad():  # what autograd keeps of one is a bound for what passes
        one = codes[:1].clone().requires_grad_()
        at_once = photos_at_once(lambda: losses(one, [0]), generator, memory, most=min(AT_ONCE, len(codes)))
        loss = losses(one, [0]).sum()
        flat = loss.item() > NOTHING and not torch.autograd.grad(loss, one)[0].any()
    best: list[int] = []
    for number, photos in enumerate(views):
        each = []
        for rows in parts(len(codes), at_once):
            each.append(losses(codes[rows], photos))
            context.logger.progress(STAGE, number * len(codes) + rows.stop, len(views) * len(codes), {})
        found = torch.cat(each, 1)
        if flat:
            found[:, 0].masked_fill_(found[:, 0] > NOTHING, torch.inf)
        best += found.argmin(1).tolist()
    return codes[best]


@torch.no_grad()
def drawn(context: Context, count: int, *, seed: int) -> Tensor:
    """So many random codes [K, D] of the generator's W."""
    generator = context.generator
    like = next(generator.parameters())
    z = torch.randn(count, generator.latent.z_dim, generator=seeded(seed, "starts")).to(like)
    front = generator.frontal(count)
    return generator.mapping(z, None if front is None else front.to(like.device))[:, 0]


class _Glance:
    """A distance that looks once at pictures that it is asked about again and again."""

    def __init__(self, distance: FeatureDistance) -> None:
        self.distance = distance
        self._seen: dict[int, tuple[Tensor, Sequence[Tensor]]] = {}

    def __call__(self, a: Tensor, b: Tensor, /) -> Tensor:
        return self.between(self.features(a), self.features(b))

    def features(self, images: Tensor, /) -> Sequence[Tensor]:
        """What the distance sees in images; of the very tensor that it saw before, from memory."""
        if id(images) not in self._seen:
            self._seen[id(images)] = images, self.distance.features(images)  # the tensor too: its id stays its own
        return self._seen[id(images)][1]

    def between(self, a: Sequence[Tensor], b: Sequence[Tensor], /) -> Tensor:
        """As the distance has it."""
        return self.distance.between(a, b)

    def forget(self) -> None:
        """Lets go of every picture."""
        self._seen.clear()
