r"""What an analysis says over its subjects: importance by group, effects by block, whether the two agree, and ranks.

An effect is `lost` where a block's changes are taken away: how much further the picture is from what the whole persona
shows, and how much less alike the subject. It is `gained` by a block's changes alone: how much nearer than the
pretrained generator's, and how much more alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, variance

import torch

from gpk.allocation import Allocation, allocated
from gpk.importance import GROUPINGS, MATRICES, Importance, gathered
from gpk.metrics import rank_correlation
from gpk_tasks.analyze.ablation import Effect
from gpk_tasks.analyze.analyze import Studied, Trial


@dataclass(frozen=True)
class Stats:
    """Of one figure over subjects; the variance is the unbiased one, 0 for a single subject."""

    mean: float
    variance: float
    least: float
    greatest: float
    subjects: int


def stats(values: Sequence[float | None]) -> Stats | None:
    """Of the values that are known, None where none is."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    return Stats(fmean(known), variance(known) if len(known) > 1 else 0.0, min(known), max(known), len(known))


@dataclass(frozen=True)
class Group:
    """A group of weights: its |dW| / |W0| in per cent, |dW|, share of the squared change, and its numbers."""

    percent: Stats | None
    change: Stats | None
    energy: Stats | None
    count: int
    tuned: int


def groups(found: Sequence[Studied], grouping: str) -> dict[str, Group]:
    """Every group's figures over the subjects; `grouping` is one of GROUPINGS."""
    each = [gathered(studied.changes, GROUPINGS[grouping]) for studied in found]

    def over(name: str, figure: Callable[[Importance], float | None]) -> Stats | None:
        return stats([figure(one[name]) for one in each])

    return {
        name: Group(
            over(name, lambda i: i.percent),
            over(name, lambda i: i.change),
            over(name, lambda i: i.energy),
            first.count,
            first.tuned,
        )
        for name, first in each[0].items()
    }


@dataclass(frozen=True)
class Effects:
    """What a block does for the picture: see the module."""

    lost_distance: Stats | None
    lost_id_sim: Stats | None
    gained_distance: Stats | None
    gained_id_sim: Stats | None


FIGURES = ("lost_distance", "lost_id_sim", "gained_distance", "gained_id_sim")
"""The fields of `Effects`."""


def effects(found: Sequence[Studied]) -> dict[str, Effects]:
    """The effects of every block over the subjects; empty where it was not tried."""
    trials = [studied.trial for studied in found if studied.trial is not None]
    if not trials:
        return {}

    def over(difference: Callable[[Trial], float | None]) -> Stats | None:
        return stats([difference(trial) for trial in trials])

    return {
        block: Effects(
            over(lambda t, b=block: t.without[b].distance - t.whole.distance),
            over(lambda t, b=block: _less(t.whole, t.without[b])),
            over(lambda t, b=block: t.pretrained.distance - t.alone[b].distance),
            over(lambda t, b=block: _less(t.alone[b], t.pretrained)),
        )
        for block in trials[0].without
    }


def _less(more: Effect, less: Effect) -> float | None:
    return None if more.id_sim is None or less.id_sim is None else more.id_sim - less.id_sim


def agreement(found: Sequence[Studied]) -> dict[str, float]:
    """Spearman's correlation, over blocks, of the mean |dW| / |W0| with the mean of every effect that is known."""
    blocks, done = groups(found, "block"), effects(found)
    told = {}
    for figure in FIGURES:
        pairs = [
            (blocks[block].percent, value)
            for block, each in done.items()
            if block in blocks and (value := getattr(each, figure)) is not None
        ]
        known = [(percent.mean, value.mean) for percent, value in pairs if percent is not None]
        if len(known) > 2:
            size, effect = torch.tensor(known, dtype=torch.float64)[..., None].unbind(1)
            told[figure] = rank_correlation(size, effect).item()
    return told


def suggestion(found: Sequence[Studied], *, budget: float) -> Allocation | None:
    """Ranks of blocks for a share of the personas' LoRA numbers, from what each block's change loses where it is taken
    away, or from |dW|² / |W0|² where that was not tried; None where neither is known or there is no LoRA.
    """
    changes = [studied.changes for studied in found]
    numbers = sum(change.tuned for change in changes[0] if change.rank)
    worth = _worth(found)
    if not numbers or not worth:
        return None
    return allocated(changes, worth, numbers=int(budget * numbers))


def _worth(found: Sequence[Studied]) -> Mapping[str, float]:
    """The value of a unit of squared change in every block."""
    done = effects(found)
    energies: dict[str, float] = {}
    for change in (change for studied in found for change in studied.changes if change.site.kind in MATRICES):
        energies[change.site.block] = energies.get(change.site.block, 0.0) + change.energy
    if done:
        value = {block: each.lost_distance.mean for block, each in done.items() if each.lost_distance is not None}
    else:
        value = {b: each.percent.mean**2 for b, each in groups(found, "block").items() if each.percent is not None}
    return {block: max(much, 0.0) / energies[block] for block, much in value.items() if energies.get(block)}
