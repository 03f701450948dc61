"""The training loop of the small networks: AdamW with one cycle of the learning rate.

What is drawn at a step follows from (seed, step) alone and the state is kept, so a training that was stopped goes on
as if it had not been.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from gpk.errors import RunError
from gpk_minicat.store import load_tensors, save_tensors
from gpk_tasks.tensors import load_moments, moments_of, under

SAVE_EVERY = 100
MOMENTS = "moment."
"""How the names of an optimizer's tensors begin in the state of a training."""
Report = Callable[[int, int, float], None]
"""Step, steps, loss."""


@dataclass(frozen=True)
class TrainingRecipe:
    """The part of a recipe that this loop reads: the seed, how many steps of how many pictures, how fast."""

    seed: int = 0
    steps: int = 1_200
    batch: int = 96
    rate: float = 3e-3


def descend(
    network: nn.Module,
    loss: Callable[[torch.Generator, float], Tensor],
    recipe: TrainingRecipe,
    state: Path,
    report: Report,
) -> float:
    """AdamW with one cycle of the learning rate, from the state in the file where there is one; returns the seconds
    that it took. `loss` is given its step's random numbers and the share of the training that is done.
    """
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=1e-4)
    at, seconds = _load(state, network, optimizer, recipe) if state.exists() else (0, 0.0)
    network.train()
    while at < recipe.steps:
        started = time.monotonic()
        done = at / recipe.steps
        value = loss(torch.Generator().manual_seed(1_000_003 * recipe.seed + at), done)
        optimizer.zero_grad()
        value.backward()
        optimizer.param_groups[0]["lr"] = recipe.rate * min(1.0, 20 * done + 0.02) * math.cos(math.pi / 2 * done)
        optimizer.step()
        at, seconds = at + 1, seconds + time.monotonic() - started
        if at % SAVE_EVERY == 0 or at == recipe.steps:
            _save(state, network, optimizer, recipe, at, seconds)
        report(at, recipe.steps, value.item())
    return seconds


def _save(
    path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, recipe: TrainingRecipe, at: int, seconds: float
) -> None:
    tensors = {f"now.{key}": value.contiguous() for key, value in network.state_dict().items()}
    save_tensors(
        path,
        tensors | moments_of(optimizer, MOMENTS),
        {"step": at, "seconds": seconds, "recipe": dataclasses.asdict(recipe)},
    )


def _load(
    path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, recipe: TrainingRecipe
) -> tuple[int, float]:
    tensors, note = load_tensors(path)
    if note["recipe"] != dataclasses.asdict(recipe):
        raise RunError(f"{path} is of a training with other settings: choose another folder, or the same settings")
    network.load_state_dict(under("now.", tensors))
    load_moments(optimizer, tensors, MOMENTS)
    return note["step"], note["seconds"]
