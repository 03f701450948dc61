r"""Cameras of photos that came without any, by analysis-by-synthesis: no network that knows poses, any 3D generator.

    photos ──search──▶ hypotheses ──descend──▶ codes ──mean──▶ the subject ──search──▶ hypotheses ──descend──▶ cameras

Photos are compared with a few of the generator's own subjects, seen from a grid of views; from the likely ones camera
and code descend together. All photos of an album show one subject: the mean of their codes is searched again, so that a
photo that its own code explained from the wrong side is set right by what the others say of the subject.

Angles are those of `Generator.orbit`, in radians off the frontal view. What turns all cameras of an album alike turns
the subject the other way and cannot be seen; the generator's own idea of the front decides it.

Shapes: N photos, K codes, L latent layers, D latent width, R image side.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gpk.album import Album
from gpk.camera import Camera
from gpk.context import Context
from gpk.errors import AlbumError, InputError
from gpk.generator import Generator
from gpk.latents import LatentStatistics, anchors_as_ws, latent_statistics
from gpk.seeding import seeded
from gpk_tasks.descent import State, Tick
from gpk_tasks.keeping import Chain
from gpk_tasks.pose.choice import Hypotheses, best, certainty, from_mean, likeness, rivals
from gpk_tasks.pose.descent import descended
from gpk_tasks.pose.mirror import mirroring
from gpk_tasks.pose.search import Grid, grid_within, marginal, peaks, searched
from gpk_tasks.pose.settings import Posing
from gpk_tasks.renders import orbit

__all__ = ["Posed", "Posing", "estimated", "prior_codes"]


class Posed(NamedTuple):
    """Where the photos' `cameras` stand: `yaw` and `pitch` [N] in radians, `confidence` [N] from 0 to 1, and whether
    it is too small to trust, `doubtful` [N]; the codes `w` [N, L, D] that were found with them, where in each photo the
    generator's picture is, `frames` [N, 4] (`gpk_tasks.pose.frame`), and what is left of Eq. 1, `residual` [N].

    `mirrored` [N] says, where the context has a judge, how much more each photo's mirror image is like the other photos
    than the photo is: above `gpk_tasks.pose.mirror.SURE` it is mirrored. Cameras are those of the photos as they are.
    """

    cameras: Camera
    yaw: Tensor
    pitch: Tensor
    confidence: Tensor
    doubtful: Tensor
    w: Tensor
    frames: Tensor
    residual: Tensor
    mirrored: Tensor | None


def estimated(
    context: Context,
    photos: Tensor | Album,
    settings: Posing,
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
    of its cameras is not looked at. Raises InputError for a 2D generator, and without any photo; RecipeError where the
    descent diverges.
    """
    s, generator = settings, context.generator
    like = next(generator.parameters())
    album = photos if isinstance(photos, Album) else Album(photos, tuple(map(str, range(len(photos)))))
    album = album.to(like.device)
    if not len(album):
        raise AlbumError("there is no photo whose camera could be found")
    if first is not None and first.shape != (2, len(album)):
        raise InputError(f"first angles are a yaw and a pitch per photo, [2, {len(album)}], not {list(first.shape)}")
    coarse = grid_within(s.yaw, s.pitch, columns=s.columns, rows=s.rows)
    # The subject is one code, so it is seen from four times as many places.
    fine = grid_within(s.yaw, s.pitch, columns=2 * s.columns - 1, rows=2 * s.rows - 1)
    orbit(context, [0.0], [0.0])  # what a 2D generator cannot is said before any work
    statistics = latent_statistics(generator, seed=s.seed)
    chain = Chain(start, tick)

    def search(name: str, codes: Tensor, grid: Grid) -> Tensor:
        cameras = orbit(context, *grid.angles().tolist())

        def work(start: State | None, tick: Tick) -> dict[str, Tensor]:
            return searched(context, album, codes, cameras, side=s.side, stage=name, start=start, tick=tick)

        return chain.link(name, work)["distances"].to(like)

    def descend(name: str, begin: Hypotheses) -> tuple[Hypotheses, Tensor]:
        def work(start: State | None, tick: Tick) -> dict[str, Tensor]:
            return descended(
                context, album, begin, statistics, s, steps=s.steps, stage=name, memory=memory, start=start, tick=tick
            )

        found = {key: tensor.to(like) for key, tensor in chain.link(name, work).items()}
        return best(begin.which, found, s)

    with torch.no_grad():
        if first is None:
            distances = search("poses among the prior's subjects", prior_codes(generator, statistics, s), coarse)
            chosen = peaks(marginal(distances, s.temperature), coarse, s.hypotheses)
            begin = from_mean(coarse.angles().to(like), chosen, statistics)
        else:
            begin = from_mean(first.to(like), torch.arange(len(album), device=like.device)[:, None], statistics)
    alone, _ = descend("cameras and codes", begin)
    shared = alone.free.mean(0)
    code = anchors_as_ws(statistics.place(shared)[None], generator.latent.num_ws)
    scores = search("poses of the album's subject", code, fine)[:, 0]
    found, residual = descend("cameras of one subject", rivals(alone, scores, fine, shared))
    yaw, pitch = found.angles
    confidence = certainty(scores, fine.angles().to(like), found.angles) * likeness(residual)
    w = anchors_as_ws(statistics.place(found.free), generator.latent.num_ws).contiguous()
    mirrored = None if context.judge is None else mirroring(context.judge, album.photos)
    cameras = orbit(context, yaw.tolist(), pitch.tolist())
    return Posed(cameras, yaw, pitch, confidence, confidence < s.doubt, w, found.frames, residual, mirrored)


@torch.no_grad()
def prior_codes(generator: Generator, statistics: LatentStatistics, settings: Posing) -> Tensor:
    """Codes [K, L, D] to search with: the mean, and drawn ones."""
    latent, mean = generator.latent, statistics.mean
    z = torch.randn(settings.codes - 1, latent.z_dim, generator=seeded(settings.seed, "pose")).to(mean)
    camera = generator.frontal(len(z))
    drawn = generator.mapping(z, None if camera is None else camera.to(mean.device))
    return torch.cat([anchors_as_ws(mean[None], latent.num_ws), drawn])
