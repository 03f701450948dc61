"""Adam whose whole state is a dict of tensors, and the schedules: so that a descent can stop and go on at any step."""

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

State = tuple[dict[str, Tensor], dict[str, Any]]
"""Tensors by name and a position in JSON types: what a run keeps of work half done."""


def rate_at(step: int, steps: int, *, warmup: float, decay: float) -> float:
    """The share of the learning rate at `step`: a linear rise, a plateau, a fall along a cosine to zero.

    >>> [round(rate_at(s, 100, warmup=0.1, decay=0.5), 3) for s in (0, 9, 50, 75, 99)]
    [0.1, 1.0, 1.0, 0.5, 0.001]
    """
    t = step / max(steps, 1)
    rise = min(1.0, (step + 1) / (warmup * steps)) if warmup * steps > 1 else 1.0
    fall = 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - t) / decay)) if decay else 1.0
    return rise * fall


def set_rate(optimizer: torch.optim.Adam, share: float) -> None:
    """Sets every group's learning rate to `share` of its `peak`."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * share


def adam(groups: Sequence[tuple[list[Tensor], float]], *, beta1: float, beta2: float) -> torch.optim.Adam:
    """Adam over groups of (tensors, peak learning rate)."""
    return torch.optim.Adam(
        [{"params": tensors, "lr": peak, "peak": peak} for tensors, peak in groups if tensors], betas=(beta1, beta2)
    )


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


def backward_in_parts(w: Tensor, loss: Callable[[Tensor, slice], Loss], *, at_once: int) -> list[Loss]:
    """Goes backward from the sum of the losses of w [B, L, D], `at_once` rows at a time; returns each part's.

    `loss` is of some rows of w, and which they are; what made w is gone through once, in the end.
    """
    seen = w.detach().requires_grad_()
    losses = []
    for rows in parts(len(w), at_once):
        losses.append(loss(seen[rows], rows))
        losses[-1].total.sum().backward()
    w.backward(seen.grad)
    return losses


def figures_of(losses: Sequence[Loss], *, stage: str, step: int, remedy: str) -> dict[str, float]:
    """The mean terms of a step whose photos were taken in parts.

    Raises RecipeError where one is not finite: a step further every number would be lost.
    """
    figures = {
        "l2": torch.cat([loss.l2.detach() for loss in losses]).mean().item(),
        "perceptual": torch.cat([loss.perceptual.detach() for loss in losses]).mean().item(),
    }
    for name, value in figures.items():
        if not math.isfinite(value):
            raise RecipeError(f"{stage} diverged: {name} is {value} at step {step + 1}. Try {remedy}")
    return figures


def adam_tensors(optimizer: torch.optim.Adam) -> dict[str, Tensor]:
    """Adam's state by name."""
    return {
        f"adam.{index}.{name}": torch.as_tensor(value).detach().clone()
        for index, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
    }


def load_adam(optimizer: torch.optim.Adam, tensors: Mapping[str, Tensor]) -> None:
    """Puts back what `adam_tensors` gave."""
    plain = optimizer.state_dict()
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith("adam."):
            _, index, name = key.split(".")
            state.setdefault(int(index), {})[name] = tensor.clone()
    optimizer.load_state_dict({"state": state, "param_groups": plain["param_groups"]})
