"""A descent: Adam on some free tensors, which may stop after any step and go on there, bit for bit on the CPU.

Inversion, placement, poses, tuning and pivotal tuning are descents. They differ in what is free, in the loss, and in
what a step may do afterwards; the loop, the rates, and what a state holds are here.

Shapes: B codes, L latent layers, D latent width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from gpk.errors import RecipeError
from gpk.loss import Loss
from gpk.seeding import parts
from gpk_tasks.tensors import load_moments, moments_of

State = tuple[dict[str, Tensor], dict[str, Any]]
"""Tensors by name and a position in JSON types: what a run keeps of work half done."""

Tick = Callable[[Callable[[], State]], None]
"""What is called after every step, with a function that gives the state."""

Figures = Mapping[str, float]
"""What a step measured before it moved, by name."""

STILL = 10
"""So many steps in a row without a gradient, or from the first one with the same figures, and none that follows will
move.
"""
NOTHING = 1e-6
"""A loss that is left of a perfect fit by rounding."""


class Descent:
    """Adam on the `free` tensors, from `done` steps to `steps`.

    `groups` are the tensors that move, with the peak rate of each group. `warmup` and `decay` are the shares of the
    steps in which the rates rise, and fall along a cosine (`rate_at`). `stage` and `elsewhere` are for the sentence on
    one that stands still: what it is, and what to try for another start.
    """

    def __init__(
        self,
        free: Mapping[str, Tensor],
        groups: Sequence[tuple[Sequence[Tensor], float]],
        *,
        steps: int,
        stage: str,
        elsewhere: str,
        warmup: float = 0.0,
        decay: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        self.free, self.steps, self.done = dict(free), steps, 0
        self._warmup, self._decay = warmup, decay
        moving = [{"params": list(tensors), "lr": peak, "peak": peak} for tensors, peak in groups if tensors]
        self._adam = torch.optim.Adam(moving, betas=betas)
        self._stage, self._elsewhere = stage, elsewhere
        self._flat, self._same, self._before = 0, 0, None

    def run(
        self,
        backward: Callable[[int], Figures | None],
        *,
        tell: Callable[[int, Figures], None],
        tick: Tick = lambda state: None,
        after: Callable[[], None] = lambda: None,
    ) -> None:
        """Does the steps that are left.

        `backward(step)` leaves the gradients of one step, counted from 0, and returns its figures, or None to end here.
        `after()` may put the free tensors right once they have moved; `tell` hears how many steps are done. Raises
        RecipeError where it stands still with a loss left.
        """
        while self.done < self.steps:
            share = rate_at(self.done, self.steps, warmup=self._warmup, decay=self._decay)
            for group in self._adam.param_groups:
                group["lr"] = group["peak"] * share
            self._adam.zero_grad()
            figures = backward(self.done)
            if figures is None:
                return
            self._look(figures)
            self._adam.step()
            with torch.no_grad():
                after()
            self.done += 1
            tell(self.done, figures)
            tick(self.state)

    def _look(self, figures: Figures) -> None:
        """Counts the steps that go nowhere; raises RecipeError where they are STILL."""
        left = sum(figures.values()) > NOTHING
        everything = (tensor.grad for group in self._adam.param_groups for tensor in group["params"])
        moved = any(gradient is not None and bool(gradient.any()) for gradient in everything)
        self._flat = self._flat + 1 if left and not moved else 0
        self._same = self._same + 1 if left and figures == self._before else 1
        self._before = dict(figures)
        if self._flat == STILL:
            why = "had no gradient at all: the generator is flat there"
        elif self._same == STILL == self.done + 1:  # from the first: later it may have arrived
            why = "changed nothing: the generator is all but flat there, or the rates are too low"
        else:
            return
        at = " and ".join(f"{name} {value:.3g}" for name, value in figures.items())
        raise RecipeError(f"{self._stage} stands still: {STILL} steps at {at} {why}. Try {self._elsewhere}")

    def state(self) -> State:
        """The free tensors by name, Adam's as `adam.INDEX.NAME`, and the position `step`."""
        own = {name: tensor.detach() for name, tensor in self.free.items()}
        return own | moments_of(self._adam), {"step": self.done}

    @torch.no_grad()
    def load(self, start: State) -> None:
        """Goes back to a `state()`, which may hold more than that; KeyError where a free tensor is missing."""
        tensors, position = start
        for name, tensor in self.free.items():
            tensor.copy_(tensors[name])
        load_moments(self._adam, tensors)
        self.done = int(position["step"])


def rate_at(step: int, steps: int, *, warmup: float, decay: float) -> float:
    """The share of the learning rate at `step`: a linear rise, a plateau, a fall along a cosine to zero.

    >>> [round(rate_at(s, 100, warmup=0.1, decay=0.5), 3) for s in (0, 9, 50, 75, 99)]
    [0.1, 1.0, 1.0, 0.5, 0.001]
    """
    t = step / max(steps, 1)
    rise = min(1.0, (step + 1) / (warmup * steps)) if warmup * steps > 1 else 1.0
    fall = 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - t) / decay)) if decay else 1.0
    return rise * fall


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """No parameter of `network` asks for a gradient inside the block, an attached persona's neither: to descend on w
    they would be a third of the arithmetic, and for nothing.
    """
    moving = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in moving:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in moving:
            parameter.requires_grad_(True)


def backward_of_mean(loss: Callable[[slice], Loss], count: int, *, at_once: int) -> list[Loss]:
    """Goes backward from the mean loss of `count` photos, `at_once` of them at a time; returns each part's."""
    losses = []
    for rows in parts(count, at_once):
        losses.append(loss(rows))
        (losses[-1].total.sum() / count).backward()
    return losses


def backward_of_sum(w: Tensor, loss: Callable[[Tensor, slice], Loss], *, at_once: int) -> list[Loss]:
    """Goes backward from the sum of the losses of w [B, L, D], `at_once` rows at a time; returns each part's.

    `loss` is of some rows of w, and which they are; what made w is gone through once, in the end.
    """
    leaf = w.detach().requires_grad_()
    losses = []
    for rows in parts(len(w), at_once):
        losses.append(loss(leaf[rows], rows))
        losses[-1].total.sum().backward()
    w.backward(leaf.grad)
    return losses


def figures_of(losses: Sequence[Loss], *, stage: str, step: int, remedy: str) -> dict[str, float]:
    """The mean terms of a step whose photos were taken in parts.

    Raises RecipeError where one is not finite, since a step further every number would be lost; it names the `stage`
    and the `step` (counted from 0), and the `remedy` to try.
    """
    figures = {
        "l2": torch.cat([loss.l2.detach() for loss in losses]).mean().item(),
        "perceptual": torch.cat([loss.perceptual.detach() for loss in losses]).mean().item(),
    }
    for name, value in figures.items():
        if not math.isfinite(value):
            raise RecipeError(f"{stage} diverged: {name} is {value} at step {step + 1}. Try {remedy}")
    return figures
