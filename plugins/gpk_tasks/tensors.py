"""Tensors by name, as a state keeps them: a part of them, and what an optimizer remembers."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names start with the prefix, without it.

    >>> under("a/", {"a/w": torch.zeros(1), "b/w": torch.ones(1)})
    {'w': tensor([0.])}
    """
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def moments_of(optimizer: torch.optim.Optimizer, prefix: str = "adam.") -> dict[str, Tensor]:
    """Copies of what the optimizer remembers of every parameter, as `PREFIX` INDEX.NAME."""
    return {
        f"{prefix}{index}.{name}": torch.as_tensor(value).detach().clone()
        for index, kept in optimizer.state_dict()["state"].items()
        for name, value in kept.items()
    }


def load_moments(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], prefix: str = "adam.") -> None:
    """Gives back copies of what `moments_of` took; other names are passed over."""
    moments: dict[int, dict[str, Tensor]] = {}
    for key, tensor in under(prefix, tensors).items():
        index, name = key.split(".")
        moments.setdefault(int(index), {})[name] = tensor.clone()
    optimizer.load_state_dict(optimizer.state_dict() | {"state": moments})
