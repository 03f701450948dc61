r"""Which hypotheses of a photo's camera are followed, which one wins, and how far it is to be trusted.

confidence = certainty * likeness: the share of the likely views that is near the one found, and how near the photo's
residual is to what the album's photos leave. The first is small where a photo looks alike from two sides, or from all;
the second where it shows what the generator cannot draw as it draws the others.

Shapes: N photos, M hypotheses, H of a photo, P views, D latent width.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gpk.latents import LatentStatistics
from gpk_tasks.pose.frame import SPREAD
from gpk_tasks.pose.search import Grid
from gpk_tasks.pose.settings import Posing

REACH = 0.25
"""Radians within which views are one and the same pose."""
SHARPNESS = 4.0
"""How quickly a view is less likely as its score grows by a standard deviation over the views."""


class Hypotheses(NamedTuple):
    """Where cameras and codes may be: of photos `which` [M], at `angles` [2, M], round coordinates `free` [M, D] and
    `frames` [M, 4].
    """

    which: Tensor
    angles: Tensor
    free: Tensor
    frames: Tensor


def from_mean(places: Tensor, chosen: Tensor, statistics: LatentStatistics) -> Hypotheses:
    """The mean code at the `chosen` [N, H] of the `places` [2, P], each place of a photo once."""
    pairs = sorted({(photo, place) for photo, row in enumerate(chosen.tolist()) for place in row})
    which, where = torch.tensor(pairs, device=places.device).mT
    like = statistics.mean
    return Hypotheses(which, places[:, where], like.new_zeros(len(which), len(like)), like.new_zeros(len(which), 4))


def rivals(alone: Hypotheses, scores: Tensor, grid: Grid, shared: Tensor) -> Hypotheses:
    """For each photo where it was found `alone` and, where another view of the album's subject has the least of the
    scores [N, P], that one too; all with the `shared` [D] code.
    """
    place = grid.angles().to(scores)[:, scores.argmin(1)]
    step = grid.steps().to(scores)[:, None]
    away = ((place - alone.angles).abs() > 1.5 * step).any(0)
    which = torch.cat([alone.which, alone.which[away]])
    angles = torch.cat([alone.angles, place[:, away]], dim=1)
    frames = torch.cat([alone.frames, alone.frames[away]])
    return Hypotheses(which, angles, shared.expand(len(which), -1), frames)


def best(which: Tensor, found: dict[str, Tensor], settings: Posing) -> tuple[Hypotheses, Tensor]:
    """Of each photo's descents the one that ended best, photo by photo, and its residual [N]."""
    off = found["frames"] / found["frames"].new_tensor(SPREAD)
    cost = found["residual"] + settings.prior * found["angles"].square().sum(0) + settings.framing * off.square().sum(1)
    rows = torch.stack([torch.where(which == photo, cost, torch.inf).argmin() for photo in which.unique()])
    chosen = Hypotheses(which[rows], found["angles"][:, rows], found["free"][rows], found["frames"][rows])
    return chosen, found["residual"][rows]


def certainty(scores: Tensor, places: Tensor, angles: Tensor) -> Tensor:
    """The share [N] of a photo's likely views, by their scores [N, P], that lies within REACH of where its camera was
    found, at `angles` [2, N].
    """
    likely = torch.softmax(-SHARPNESS * scores / scores.std(1, keepdim=True).clamp_min(1e-12), 1)
    near = (places[:, None] - angles[:, :, None]).norm(dim=0) < REACH
    return (likely * near).sum(1)


def likeness(residual: Tensor) -> Tensor:
    """How near to the album's median residual [N] each is, 1 where it is not above: what cannot be drawn has no pose to
    trust.
    """
    return (residual.median() / residual.clamp_min(1e-12)).clamp_max(1)
