r"""Photos without an anchor, placed in the personal hull.

A photo that was not learned from is placed by descending on its coordinates in P_beta, plus small offsets per layer
with a penalty, under Eq. 1, so that only what the hull can say about the subject is seen (MyStyle, Nitzan et al., 2022,
arXiv 2203.17272, section 4):

    w = sum_i alpha_i w_i + offset,   alpha = s / sum(s),   s = softplus_100(free + beta) - beta
    loss = Eq. 1 + sum_weight * (sum(s) - 1)^2 + offset_weight * |offset|^2 on the first layers

Shapes: N photos, B photos in a part of a step, M anchors, L latent layers, D latent width, R image side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from gpk.album import Album
from gpk.context import Context
from gpk.hull import LatentHull
from gpk.latents import anchors_as_ws, latent_statistics
from gpk.loss import Degrade, Loss, Reconstruction
from gpk_tasks.checks import at_least
from gpk_tasks.descent import Descent, State, Tick, backward_of_sum, figures_of, frozen
from gpk_tasks.memory import photos_at_once
from gpk_tasks.renders import shrunk


@dataclass(frozen=True)
class Placement:
    """How photos are placed in the hull. The defaults are quick: what the reports use.

    `lr` is the rate of the coordinates, `lr_offset` that of the offsets, which are counted in `unit`s: of w itself, or
    of its spread (the root mean square distance from its mean), which is the same on every generator. `offset` weighs
    the sum or the `mean` of their squares over the first `offset_layers` layers, all of them where None; `total` the
    square of what the coordinates' sum is off one, before it is made one; `l2` and `perceptual` the terms of Eq. 1.
    `warmup` and `decay` are the shares of the steps in which the rates rise, and fall along a cosine. `side`: larger
    renders are compared at this side, in pixels. The hull is dilated by `beta`.

    Raises RecipeError for a number out of range.
    """

    steps: int = 30
    lr: float = 0.05
    lr_offset: float = 0.02
    beta: float = 0.03
    offset: float = 1.0
    offset_layers: int | None = None
    unit: Literal["spread", "w"] = "spread"
    mean: bool = False
    total: float = 0.0
    warmup: float = 0.05
    decay: float = 0.75
    l2: float = 1.0
    perceptual: float = 1.0
    side: int = 256

    def __post_init__(self) -> None:
        own = "{} of a placement"
        at_least(self, 0, "steps", "lr", "lr_offset", "beta", "offset", "offset_layers", "total", spelled=own)
        at_least(self, 0, "warmup", "decay", "l2", "perceptual", spelled=own)
        at_least(self, 1, "side", spelled=own)


PLACEMENTS: Mapping[str, Placement] = {
    "quick": Placement(),
    "paper": Placement(
        steps=1000,
        lr=5e-3,
        lr_offset=5e-3,
        offset=10.0,
        offset_layers=12,
        unit="w",
        mean=True,
        total=10.0,
        warmup=0.0,
        decay=0.0,
    ),
}
"""Placements by name: the reports' own, and MyStyle's as My3DGen takes it over. Neither paper says whether its weight
of 10 is of the offsets' sum of squares or of their mean: with the sum they stay below a thousandth of w's spread and do
nothing (docs/method.md), so it is the mean.
"""


class Placed(NamedTuple):
    """Where photos are: `w` [N, L, D], the hull's point of coordinates `alpha` [N, M], which sum to 1, plus `offsets`
    [N, L, D].
    """

    w: Tensor
    alpha: Tensor
    offsets: Tensor


def place(
    context: Context,
    anchors: Tensor,
    album: Album,
    settings: Placement,
    *,
    degrade: Degrade | None = None,
    memory: float | None = None,
    stage: str = "placing photos",
    start: State | None = None,
    tick: Tick = lambda state: None,
) -> Placed:
    """Where photos are in or near the hull of `anchors` [M, D] or [M, L, D], for the generator as it is now.

    With `degrade` renders and photos are compared as it leaves them (`gpk.loss.Reconstruction`). `memory` is what a
    step may take, in GiB; `stage` names the progress. `tick` is called after every step with a function that gives the
    state; `start` is such a state, to go on from. Raises RecipeError where the descent diverges or stands still.
    """
    s = settings
    photos = _Photos(context, anchors, album, s, degrade)
    descent = Descent(
        {"free": photos.free, "away": photos.away},
        [([photos.free], s.lr), ([photos.away], s.lr_offset)],
        steps=s.steps,
        stage=stage,
        elsewhere="a persona of other or fewer anchors: the middle of their hull is where it begins",
        warmup=s.warmup,
        decay=s.decay,
    )
    if start is not None:
        descent.load(start)
    with frozen(context.generator):
        at_once = photos_at_once(photos.first_loss, context.generator, memory, most=len(album))
        descent.run(
            partial(photos.backward, at_once=at_once),
            tell=lambda done, figures: context.logger.progress(stage, done, s.steps, figures),
            tick=tick,
        )
    return photos.placed()


class _Photos:
    """The photos on their way: free coordinates and offsets."""

    def __init__(
        self, context: Context, anchors: Tensor, album: Album, settings: Placement, degrade: Degrade | None
    ) -> None:
        self.generator, self.cameras, self.settings = context.generator, album.cameras, settings
        self.hull = LatentHull(anchors_as_ws(anchors, self.generator.latent.num_ws), beta=settings.beta)
        spread = latent_statistics(self.generator, samples=1024).spread
        self.unit = spread if settings.unit == "spread" else torch.ones_like(spread)
        self.free = anchors.new_full((len(album), len(self.hull)), 1 / len(self.hull)).requires_grad_()
        self.away = anchors.new_zeros(len(album), *self.hull.anchors.shape[1:]).requires_grad_()
        self.reconstruction = Reconstruction(
            album.photos,
            context.distance,
            l2=settings.l2,
            perceptual=settings.perceptual,
            degrade=degrade,
            masks=album.masks,
        )

    def points(self) -> Tensor:
        """w [N, L, D], where the descent stands."""
        return self.hull.points(self.hull.soften(self.free)) + self.away * self.unit

    def loss(self, w: Tensor, rows: slice) -> Loss:
        """Eq. 1 for `rows` of the photos, whose latents are `w` [B, L, D]."""
        render = self.generator(w, None if self.cameras is None else self.cameras[rows])
        return self.reconstruction(shrunk(render, self.settings.side), rows)

    def regularity(self) -> Tensor:
        """The weighted penalties on leaving the hull, summed over the photos; a scalar."""
        s = self.settings
        squares = self.away[:, : s.offset_layers].square().flatten(1)
        penalty = s.offset * (squares.mean(1) if s.mean else squares.sum(1)).sum()
        if s.total:
            penalty = penalty + s.total * (self.hull.unnormalised(self.free).sum(1) - 1).square().sum()
        return penalty

    def first_loss(self) -> Tensor:
        """The first photo's loss, where the descent stands."""
        return self.loss(self.points()[:1], slice(0, 1)).total

    def backward(self, step: int, *, at_once: int) -> dict[str, float]:
        """Leaves the gradients of a step, the photos rendered `at_once`; returns the mean figures."""
        losses = backward_of_sum(self.points(), self.loss, at_once=at_once)
        self.regularity().backward()
        return figures_of(losses, stage="placing photos", step=step, remedy="lower rates")

    @torch.no_grad()
    def placed(self) -> Placed:
        """Where the photos are."""
        return Placed(self.points(), self.hull.soften(self.free), self.away * self.unit)
