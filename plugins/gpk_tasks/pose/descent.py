r"""A photo's camera and code together, by gradient, from where they may be.

    w = mean + v @ root,   camera = orbit(yaw, pitch)
    loss = Eq. 1 + pull * mean(v^2) + cohesion * mean((v - mean over the album of v)^2) + prior * |angles|^2
           + framing * |frame / SPREAD|^2

The renderer is differentiable in the camera's rays, so the angles descend beside the code, at a rate of their own. The
code must descend too: a camera alone would turn to where a strange head looks most like the mean one. Where squares are
not certain either, each photo's frame (`gpk_tasks.pose.frame`) descends with them, in units of its spread.

Shapes: N photos, M descents, B descents in a part of a step, D latent width.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from gpk.album import Album
from gpk.context import Context
from gpk.latents import LatentStatistics
from gpk.loss import Loss, Reconstruction
from gpk.seeding import parts
from gpk_tasks.descent import Descent, State, Tick, backward_of_sum, figures_of, frozen
from gpk_tasks.memory import photos_at_once
from gpk_tasks.pose.choice import Hypotheses
from gpk_tasks.pose.frame import SPREAD, seen_through
from gpk_tasks.pose.settings import Posing
from gpk_tasks.renders import STEEPEST, shrunk


def descended(
    context: Context,
    album: Album,
    begin: Hypotheses,
    statistics: LatentStatistics,
    settings: Posing,
    *,
    steps: int,
    stage: str = "poses",
    memory: float | None = None,
    start: State | None = None,
    tick: Tick = lambda state: None,
) -> dict[str, Tensor]:
    """`angles` [2, M], round coordinates `free` [M, D], `frames` [M, 4] and what is left of Eq. 1, `residual` [M],
    after `steps` from `begin`. Of an album's pixels only the real ones count.

    `memory` is what a step may take, in GiB. `tick` is called after every step with a function that gives the state;
    `start` is such a state, to go on from. Raises RecipeError where the descent diverges or stands still.
    """
    s, cameras = settings, _Cameras(context, album, begin, statistics, settings)
    descent = Descent(
        {"angles": cameras.angles, "free": cameras.free, "off": cameras.off},
        [([cameras.free], s.lr), ([cameras.angles], s.lr_angle), ([cameras.off] if s.frames else [], s.lr_frame)],
        steps=steps,
        stage="finding poses",
        elsewhere="an album with cameras: the generator's mean code is where it begins",
        warmup=0.05,
        decay=0.5,
    )
    if start is not None:
        descent.load(start)
    with frozen(context.generator):
        at_once = photos_at_once(cameras.first_loss, context.generator, memory, most=len(begin.which))
        descent.run(
            partial(cameras.backward, at_once=at_once),
            tell=lambda done, figures: context.logger.progress(stage, done, steps, figures),
            tick=tick,
            after=cameras.stay_off_the_poles,
        )
        return cameras.found(at_once)


class _Cameras:
    """Cameras, codes and frames on their way."""

    def __init__(
        self,
        context: Context,
        album: Album,
        begin: Hypotheses,
        statistics: LatentStatistics,
        settings: Posing,
    ) -> None:
        self.generator, self.which = context.generator, begin.which
        self.statistics, self.settings = statistics, settings
        self.spread = begin.frames.new_tensor(SPREAD)
        self.angles, self.free, self.off = (
            tensor.detach().clone().requires_grad_()
            for tensor in (begin.angles, begin.free, begin.frames / self.spread)
        )
        self.reconstruction = Reconstruction(
            album.photos, context.distance, l2=settings.l2, perceptual=settings.perceptual, masks=album.masks
        )

    def unknowns(self) -> Tensor:
        """Codes, angles and frames in one [M, D + 6], of which each part of a step takes its rows."""
        return torch.cat([self.statistics.place(self.free), self.angles.mT, self.off * self.spread], dim=1)

    def loss(self, unknowns: Tensor, rows: slice) -> Loss:
        """Eq. 1 of `rows`, whose codes, angles and frames are `unknowns` [B, D + 6]."""
        w, (yaw, pitch), frames = unknowns[:, None, :-6], unknowns[:, -6:-4].mT, unknowns[:, -4:]
        camera = self.generator.orbit(yaw, pitch)
        if self.settings.frames and camera is not None:
            camera = seen_through(camera, frames)
        render = self.generator(w.expand(-1, self.generator.latent.num_ws, -1), camera)
        return self.reconstruction(shrunk(render, self.settings.side), self.which[rows])

    def regularity(self) -> Tensor:
        """How far all of it is from where it is likely, weighted, summed over the descents; a scalar."""
        s = self.settings
        around = self.free - self.free.mean(0)
        of_codes = (s.pull * self.free.square() + s.cohesion * around.square()).mean(1)
        return of_codes.sum() + s.prior * self.angles.square().sum() + s.framing * self.off.square().sum()

    def first_loss(self) -> Tensor:
        """The first descent's loss, where it stands."""
        return self.loss(self.unknowns()[:1], slice(0, 1)).total

    def backward(self, step: int, *, at_once: int) -> dict[str, float]:
        """Leaves the gradients of a step, the photos rendered `at_once`; returns the mean figures."""
        losses = backward_of_sum(self.unknowns(), self.loss, at_once=at_once)
        self.regularity().backward()
        return figures_of(losses, stage="finding poses", step=step, remedy="lower rates")

    def stay_off_the_poles(self) -> None:
        """Keeps the pitches where an orbit has a direction up."""
        self.angles[1].clamp_(-STEEPEST, STEEPEST)

    @torch.no_grad()
    def found(self, at_once: int) -> dict[str, Tensor]:
        """Where the descents are, and the loss there."""
        unknowns = self.unknowns()
        residual = [self.loss(unknowns[r], slice(r.start, r.stop)).total for r in parts(len(unknowns), at_once)]
        return {
            "angles": self.angles.detach(),
            "free": self.free.detach(),
            "frames": (self.off * self.spread).detach(),
            "residual": torch.cat(residual),
        }
