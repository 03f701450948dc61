r"""A photo's camera and code together, by gradient, from where they may be.

    w = mean + v @ root,   camera = orbit(yaw, pitch)
    loss = Eq. 1 + pull * mean(v^2) + cohesion * mean((v - mean over the album of v)^2) + prior * |angles|^2
           + framing * |frame / SPREAD|^2

The renderer is differentiable in the camera's rays, so the angles descend beside the code, at a rate of their own. The
code must descend too: a camera alone would turn to where a strange head looks most like the mean one.
Where squares are not certain either, each photo's frame (`pose_frame`) descends with them, in units of its spread.

Shapes: N photos, M descents, B descents in a part of a step, D latent width.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from gpk.album import Album
from gpk.context import Context
from gpk.latents import LatentStatistics
from gpk.loss import Loss, Reconstruction
from gpk.seeding import parts
from gpk_tasks.descent import (
    State,
    adam,
    adam_tensors,
    backward_in_parts,
    figures_of,
    frozen,
    load_adam,
    rate_at,
    set_rate,
)
from gpk_tasks.invert import shrunk
from gpk_tasks.keeping import Tick
from gpk_tasks.memory import photos_at_once
from gpk_tasks.pose_choice import Hypotheses
from gpk_tasks.pose_frame import SPREAD, seen_through
from gpk_tasks.pose_settings import Posing
from gpk_tasks.renders import STEEPEST


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
    `start` is such a state, to go on from.
    """
    descent = _Descent(context, album, begin, statistics, settings)
    first = 0
    if start is not None:
        descent.load(start[0])
        first = int(start[1]["step"])
    with frozen(context.generator):
        at_once = photos_at_once(descent.first_loss, context.generator, memory, most=len(begin.which))
        for step in range(first, steps):
            figures = descent.step(step, steps, at_once=at_once)
            context.logger.progress(stage, step + 1, steps, figures)
            tick(lambda step=step: (descent.tensors(), {"step": step + 1}))
        return descent.found(at_once)


class _Descent:
    """Cameras, codes and frames on their way, and Adam."""

    def __init__(
        self,
        context: Context,
        album: Album,
        begin: Hypotheses,
        statistics: LatentStatistics,
        settings: Posing,
    ) -> None:
        self.generator, self.which, self.statistics, self.settings = (
            context.generator,
            begin.which,
            statistics,
            settings,
        )
        self.spread = begin.frames.new_tensor(SPREAD)
        self.angles, self.free, self.off = (
            tensor.detach().clone().requires_grad_()
            for tensor in (begin.angles, begin.free, begin.frames / self.spread)
        )
        groups = [([self.free], settings.lr), ([self.angles], settings.lr_angle)]
        groups += [([self.off], settings.lr_frame)] if settings.frames else []
        self.adam = adam(groups, beta1=0.9, beta2=0.999)
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

    def step(self, now: int, steps: int, *, at_once: int) -> dict[str, float]:
        """One step of Adam, the photos rendered `at_once`; returns the mean figures before it."""
        set_rate(self.adam, rate_at(now, steps, warmup=0.05, decay=0.5))
        self.adam.zero_grad()
        losses = backward_in_parts(self.unknowns(), self.loss, at_once=at_once)
        self.regularity().backward()
        figures = figures_of(losses, stage="finding poses", step=now, remedy="lower rates")
        self.adam.step()
        with torch.no_grad():
            self.angles[1].clamp_(-STEEPEST, STEEPEST)
        return figures

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

    def tensors(self) -> dict[str, Tensor]:
        """Everything a resumed descent needs."""
        own = {"angles": self.angles.detach(), "free": self.free.detach(), "off": self.off.detach()}
        return {**own, **adam_tensors(self.adam)}

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Goes back to `tensors()`."""
        self.angles.copy_(tensors["angles"])
        self.free.copy_(tensors["free"])
        self.off.copy_(tensors["off"])
        load_adam(self.adam, tensors)
