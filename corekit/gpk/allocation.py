r"""Where rank pays: a rank for each block, within a budget of numbers.

A low-rank change cut to rank q keeps its q largest singular values and loses the others' squares (Eckart & Young,
1936). A square is worth more in one block than in another: what a block's change does for the picture, divided by its
energy, says how much. So every step of rank of every block has a value, worth times energy, and a price in numbers, and
the steps are taken from the best value for its price downwards. Singular values fall, so no step comes before the one
below it in the same layer; blocks are raised as a whole.

What a persona of rank r has learned says nothing of steps beyond r: to hear of those, tune one of a higher rank.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gpk.importance import SiteChange


class Allocation(NamedTuple):
    """Ranks by block, the LoRA numbers that they take, and the share of all value that is kept, from 0 to 1."""

    ranks: dict[str, int]
    numbers: int
    kept: float


class _Step(NamedTuple):
    block: str
    value: float
    price: int


def allocated(personas: Sequence[Sequence[SiteChange]], worth: Mapping[str, float], *, numbers: int) -> Allocation:
    """The best ranks that take at most `numbers`, for personas of one recipe, measured at the same sites.

    `worth` is the value of a unit of energy by block (`Site.block`); values are summed over the personas. Blocks
    without LoRA are left out, and every other one is named, with rank 0 where it gets none.
    """
    steps = _steps(personas, worth)
    ranks = dict.fromkeys((step.block for step in steps), 0)
    everything = sum(step.value for step in steps)
    kept, left = 0.0, numbers
    stopped: set[str] = set()
    for step in sorted(steps, key=lambda step: -step.value / step.price):
        if step.price > left:  # what comes after it in its block is on top of it
            stopped.add(step.block)
        if step.block not in stopped:
            ranks[step.block] += 1
            kept, left = kept + step.value, left - step.price
    return Allocation(ranks, numbers - left, kept / everything if everything else 0.0)


def _steps(personas: Sequence[Sequence[SiteChange]], worth: Mapping[str, float]) -> list[_Step]:
    """Every step of rank of every block, in execution order, lowest first within a block."""
    values: dict[tuple[str, int], float] = {}
    prices: dict[tuple[str, int], int] = {}
    for persona in personas:
        for change in persona:
            if not change.rank:
                continue
            # A layer of fewer channels than the rank has fewer singular values; one kernel row has several a step.
            block, each = change.site.block, math.ceil(len(change.spectrum) / change.rank)
            for step in range(change.rank):
                energy = sum(s * s for s in change.spectrum[step * each : (step + 1) * each])
                values[block, step] = values.get((block, step), 0.0) + worth.get(block, 0.0) * energy
                if persona is personas[0]:
                    prices[block, step] = prices.get((block, step), 0) + change.tuned // change.rank
    return [_Step(block, values[block, step], price) for (block, step), price in prices.items()]
