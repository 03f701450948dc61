r"""Cameras of photos that came without any, by analysis-by-synthesis: no network that knows poses, any 3D generator.

    photos ──search──▶ hypotheses ──descend──▶ codes ──mean──▶ the subject ──search──▶ hypotheses ──descend──▶ cameras

Photos are compared with a few of the generator's own subjects, seen from a grid of views; from the likely ones camera
and code descend together. All photos of an album show one subject: the mean of their codes is searched again, so that a
photo that its own code explained from the wrong side is set right by what the others say of the subject.

Angles are those of `Generator.orbit`, in radians off the frontal view. What turns all cameras of an album alike turns
the subject the other way and cannot be seen; the generator's own idea of the front decides it.

Shapes: N photos, M descents, P views, L latent layers, D latent width, R image side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from corekit.album import Album
from corekit.bench import Bench
from corekit.camera import Camera
from corekit.errors import AlbumError, InputError, RecipeError
from corekit.latents import LatentStatistics, anchors_as_ws, latent_statistics
from corekit.order import seeded
from gpk_tasks.descent import State
from gpk_tasks.keeping import Chain, Tick
from gpk_tasks.pose_descent import descended
from gpk_tasks.pose_mirror import mirroring
from gpk_tasks.pose_search import Grid, grid_within, marginal, peaks, searched
from gpk_tasks.renders import orbit
from gpk_tasks.settings import LARGEST


@dataclass(frozen=True)
class Posing:
    """How cameras are looked for.

    The search goes over +-`yaw` in `columns` and +-`pitch` in `rows`, in radians, with the mean code and so many drawn
    ones that they are `codes`, summed at `temperature`; pictures are compared at `side` at most. `hypotheses` are
    followed per photo, for `steps` steps of Adam and, around the album's subject, for `steps` more: `lr` is the rate of
    round coordinates of w, `lr_angle` that of radians. `pull`, `cohesion` and `prior` weigh how far a code is from the
    mean, from the album's, and an angle from the front. A photo is in `doubt` below this confidence.
    """

    yaw: float = 0.7
    pitch: float = 0.42
    columns: int = 9
    rows: int = 5
    codes: int = 8
    hypotheses: int = 1
    temperature: float = 1.0
    steps: int = 15
    lr: float = 0.1
    lr_angle: float = 0.02
    pull: float = 0.02
    cohesion: float = 0.1
    prior: float = 0.01
    l2: float = 1.0
    perceptual: float = 1.0
    side: int = 128
    doubt: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("columns", "rows", "codes", "hypotheses", "side"):
            if getattr(self, name) < 1:
                raise RecipeError(f"{name} of posing must be at least 1, not {getattr(self, name)}")
        for name in ("steps", "lr", "lr_angle", "pull", "cohesion", "prior", "l2", "perceptual"):
            if not 0 <= getattr(self, name) <= LARGEST:
                raise RecipeError(f"{name} of posing must be from 0 to {LARGEST:g}, not {getattr(self, name)}")
        for name, most in (("yaw", torch.pi), ("pitch", 1.5)):
            if not 0 < getattr(self, name) <= most:
                told = f"above 0 and at most {most:.4g}, not {getattr(self, name):g}"
                raise RecipeError(f"{name} of posing is in radians, {told}")
        if not self.temperature > 0:
            raise RecipeError(f"temperature of posing must be above 0, not {self.temperature}")
        if not 0 <= self.doubt <= 1:
            raise RecipeError(f"doubt of posing must be from 0 to 1, not {self.doubt}")


class Posed(NamedTuple):
    """Where the photos' `cameras` stand: `yaw` and `pitch` [N] in radians, `confidence` [N] from 0 to 1, and whether
    it is too small to trust, `doubtful` [N]; the codes `w` [N, L, D] that were found with them, and what is left of
    Eq. 1, `residual` [N].

    `mirrored` [N] says, where the bench has a judge, how much more each photo's mirror image is like the other photos
    than the photo is (`gpk_tasks.pose_mirror`); the cameras are those of the photos as they are.
    """

    cameras: Camera
    yaw: Tensor
    pitch: Tensor
    confidence: Tensor
    doubtful: Tensor
    w: Tensor
    residual: Tensor
    mirrored: Tensor | None


class _Hypotheses(NamedTuple):
    """Where cameras and codes may be: of photos `which` [M], at `angles` [2, M] and round coordinates `free` [M, D]."""

    which: Tensor
    angles: Tensor
    free: Tensor


def estimated(
    bench: Bench,
    photos: Tensor | Album,
    settings: Posing = Posing(),
    *,
    first: Tensor | None = None,
    memory: float | None = None,
    start: State | None = None,
    tick: Tick = lambda state: None,
) -> Posed:
    """The cameras of `photos` [N, 3, R, R] in [-1, 1], cropped as the generator's training photos, of one subject.

    `first` [2, N] are yaws and pitches to begin with, where something else, such as landmarks, has an idea of them; the
    search among the generator's subjects is left out then. `memory` is what a step may take, in GiB. `tick` is called
    after every step with a function that gives the state; `start` is such a state, to go on from. What an album knows
    of its cameras is not looked at. Raises InputError for a 2D generator.
    """
    s, generator = settings, bench.generator
    like = next(generator.parameters())
    photos = (photos.photos if isinstance(photos, Album) else photos).to(like.device)
    if not len(photos):
        raise AlbumError("there is no photo whose camera could be found")
    if first is not None and first.shape != (2, len(photos)):
        raise InputError(f"first angles are a yaw and a pitch per photo, [2, {len(photos)}], not {list(first.shape)}")
    coarse = grid_within(s.yaw, s.pitch, columns=s.columns, rows=s.rows)
    # The subject is one code, so it is seen from four times as many places.
    fine = grid_within(s.yaw, s.pitch, columns=2 * s.columns - 1, rows=2 * s.rows - 1)
    orbit(bench, [0.0], [0.0])  # what a 2D generator cannot is said before any work
    statistics = latent_statistics(generator, seed=s.seed)
    chain = Chain(start, tick)

    def search(name: str, codes: Tensor, grid: Grid) -> Tensor:
        cameras = orbit(bench, *grid.angles().tolist())

        def work(start: State | None, tick: Tick) -> dict[str, Tensor]:
            return searched(bench, photos, codes, cameras, side=s.side, stage=name, start=start, tick=tick)

        return chain.link(name, work)["distances"].to(like)

    def descend(name: str, begin: _Hypotheses) -> tuple[_Hypotheses, Tensor]:
        def work(start: State | None, tick: Tick) -> dict[str, Tensor]:
            return descended(
                bench, photos, *begin, statistics, s, steps=s.steps, stage=name, memory=memory, start=start, tick=tick
            )

        found = {key: tensor.to(like) for key, tensor in chain.link(name, work).items()}
        return best(begin.which, found, s.prior)

    with torch.no_grad():
        if first is None:
            distances = search("poses among the prior's subjects", prior_codes(bench, s), coarse)
            chosen = peaks(marginal(distances, s.temperature), coarse, s.hypotheses)
            begin = _from_mean(coarse.angles().to(like), chosen, statistics)
        else:
            begin = _from_mean(first.to(like), torch.arange(len(photos), device=like.device)[:, None], statistics)
    alone, _ = descend("cameras and codes", begin)
    shared = alone.free.mean(0)
    code = anchors_as_ws(statistics.place(shared)[None], generator.latent.num_ws)
    scores = search("poses of the album's subject", code, fine)[:, 0]
    found, residual = descend("cameras of one subject", rivals(alone, scores, fine, shared))
    yaw, pitch = found.angles
    confidence = certainty(scores, fine.angles().to(like), found.angles) * likeness(residual)
    w = anchors_as_ws(statistics.place(found.free), generator.latent.num_ws).contiguous()
    mirrored = None if bench.judge is None else mirroring(bench.judge, photos)
    cameras = orbit(bench, yaw.tolist(), pitch.tolist())
    return Posed(cameras, yaw, pitch, confidence, confidence < s.doubt, w, residual, mirrored)


@torch.no_grad()
def prior_codes(bench: Bench, settings: Posing) -> Tensor:
    """Codes [K, L, D] to search with: the mean, and drawn ones."""
    generator, latent = bench.generator, bench.generator.latent
    mean = latent_statistics(generator, seed=settings.seed).mean
    z = torch.randn(settings.codes - 1, latent.z_dim, generator=seeded(settings.seed, "pose")).to(mean)
    camera = generator.frontal(len(z))
    drawn = generator.mapping(z, None if camera is None else camera.to(mean.device)) if len(z) else None
    middle = anchors_as_ws(mean[None], latent.num_ws)
    return middle.contiguous() if drawn is None else torch.cat([middle, drawn])


def _from_mean(places: Tensor, chosen: Tensor, statistics: LatentStatistics) -> _Hypotheses:
    """The mean code at the `chosen` [N, H] of the `places` [2, P], each place of a photo once."""
    pairs = sorted({(photo, place) for photo, row in enumerate(chosen.tolist()) for place in row})
    which, where = torch.tensor(pairs, device=places.device).mT
    return _Hypotheses(which, places[:, where], statistics.mean.new_zeros(len(which), len(statistics.mean)))


def rivals(alone: _Hypotheses, scores: Tensor, grid: Grid, shared: Tensor) -> _Hypotheses:
    """For each photo where it was found `alone` and, where another view of the album's subject has the least of the
    scores [N, P], that one too; all with the `shared` [D] code.
    """
    place = grid.angles().to(scores)[:, scores.argmin(1)]
    step = grid.steps().to(scores)[:, None]
    away = ((place - alone.angles).abs() > 1.5 * step).any(0)
    which = torch.cat([alone.which, alone.which[away]])
    angles = torch.cat([alone.angles, place[:, away]], dim=1)
    return _Hypotheses(which, angles, shared.expand(len(which), -1))


def best(which: Tensor, found: dict[str, Tensor], prior: float) -> tuple[_Hypotheses, Tensor]:
    """Of each photo's descents the one that ended best, photo by photo, and its residual [N]."""
    cost = found["residual"] + prior * found["angles"].square().sum(0)
    rows = torch.stack([torch.where(which == photo, cost, torch.inf).argmin() for photo in which.unique()])
    return _Hypotheses(which[rows], found["angles"][:, rows], found["free"][rows]), found["residual"][rows]


def certainty(scores: Tensor, places: Tensor, angles: Tensor, *, reach: float = 0.25, sharpness: float = 4.0) -> Tensor:
    """The share [N] of a photo's likely views [N, P] that lies within `reach` radians of where its camera was found.

    How likely a view is falls off with its score, counted in standard deviations over the views, times `sharpness`.
    """
    likely = torch.softmax(-sharpness * scores / scores.std(1, keepdim=True).clamp_min(1e-12), 1)
    near = (places[:, None] - angles[:, :, None]).norm(dim=0) < reach
    return (likely * near).sum(1)


def likeness(residual: Tensor) -> Tensor:
    """How near to the album's median residual [N] each is, 1 where it is not above: what cannot be drawn has no pose to
    trust.
    """
    return (residual.median() / residual.clamp_min(1e-12)).clamp_max(1)
