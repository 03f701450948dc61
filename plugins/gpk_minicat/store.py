"""Named tensors in one safetensors file, with a JSON note under the metadata key "gpk"."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gpk_checkpoints.files import read_safetensors, write_safetensors


def save_tensors(path: Path, tensors: dict[str, Tensor], note: dict[str, Any]) -> None:
    """Write the tensors and the note (any JSON value) to `path`, whole or not at all; raises RunError where it
    cannot.
    """
    write_safetensors(path, tensors, {"gpk": json.dumps(note)})


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the note of a file that `save_tensors` wrote; raises WeightsError where it is none."""
    tensors, metadata = read_safetensors(path)
    return tensors, json.loads(metadata.get("gpk", "{}"))


def moments_of(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What the optimizer remembers of every parameter, by name."""
    state = optimizer.state_dict()["state"]
    return {f"moment.{i}.{name}": value.contiguous() for i, kept in state.items() for name, value in kept.items()}


def load_moments(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Gives back what `moments_of` took; other names are passed over."""
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in under("moment.", tensors).items():
        index, name = key.split(".")
        moments.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict(optimizer.state_dict() | {"state": moments})


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names start with the prefix, without it."""
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
