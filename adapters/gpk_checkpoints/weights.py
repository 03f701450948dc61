"""A generator with its published weights, from a safetensors file in the official state-dict layout.

The names, shapes and values are checked here, so that a wrong file is answered with what is wrong in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from corekit.errors import InputError, WeightsError
from corekit.generator import Generator
from corekit.plugin import Backend, Card
from gpk_checkpoints.files import read_safetensors

SHOWN = 3
"""How many tensors a message names before it counts."""


def load_generator(
    backend: Backend, card: Card, weights: Path | None, *, device: torch.device | str = "cpu"
) -> Generator:
    """The generator of `card` with the weights in the file `weights` (the card's own where None), frozen, in eval mode.

    A `config` in the file's `gpk` metadata overrides the card's, key by key. Half-precision values become float32.
    Raises WeightsError where the file is missing, damaged, or not this generator's.
    """
    path = weights if weights is not None else card.weights
    if path is None:
        where = f"; they are published at {card.url}" if card.url else ""
        licence = f" (licence: {card.licence})" if card.licence else ""
        raise WeightsError(
            f"the card {card.name!r} of {backend.name} has no bundled weights{licence}: "
            f"pass --weights FILE, a safetensors file in the official layout{where}"
        )
    tensors, metadata = read_safetensors(path)
    generator = _built(path, backend, {**card.config, **_stated_config(path, metadata)}, tensors)
    _check(path, backend, generator.state_dict(), tensors)
    generator.load_state_dict(tensors)  # copies, and so casts to the generator's own types
    return generator.requires_grad_(False).eval().to(device)


def _stated_config(path: Path, metadata: Mapping[str, str]) -> Mapping[str, Any]:
    try:
        config = json.loads(metadata.get("gpk", "{}")).get("config", {})
    except (json.JSONDecodeError, AttributeError) as error:
        raise WeightsError(f"{path}: its gpk metadata is no JSON object: {error}") from error
    if not isinstance(config, Mapping):
        raise WeightsError(f"{path}: the config in its gpk metadata is {config!r}, not a mapping")
    return config


def _built(path: Path, backend: Backend, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Generator:
    """Built on the CPU rather than the meta device: buffers outside the state dict (filters, ray grids) stay real.

    Its random start is overwritten, so the caller's random stream is left as it was.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    try:
        fitted = config if backend.fit is None else backend.fit(config, shapes)
        with torch.random.fork_rng(devices=()), torch.device("cpu"):
            return backend.build(fitted)
    except InputError as error:
        raise WeightsError(f"{path} holds no {backend.name} generator, perhaps another family's: {error}") from error


def _check(path: Path, backend: Backend, wanted: Mapping[str, Tensor], stored: Mapping[str, Tensor]) -> None:
    missing = [name for name in wanted if name not in stored]
    if 2 * len(missing) > len(wanted):
        there = len(wanted) - len(missing)
        raise WeightsError(
            f"{path} looks like another family's file: it has {there} of the {len(wanted)} tensors of {backend.name}; "
            f"missing are {_listed(missing)}"
        )
    if missing:
        raise WeightsError(f"{path} is no whole {backend.name} generator: missing are {_listed(missing)}")
    if surplus := [name for name in stored if name not in wanted]:
        raise WeightsError(f"{path} has tensors that this {backend.name} generator has not: {_listed(surplus)}")
    misshaped = [
        f"{name} {list(stored[name].shape)}, expected {list(tensor.shape)}"
        for name, tensor in wanted.items()
        if stored[name].shape != tensor.shape
    ]
    if misshaped:
        raise WeightsError(f"{path} has tensors of another shape: {_listed(misshaped, '; ')}")
    if broken := [name for name, tensor in stored.items() if not torch.isfinite(tensor).all()]:
        raise WeightsError(f"{path} has numbers that are not finite in {_listed(broken)}")


def _listed(items: Sequence[str], separator: str = ", ") -> str:
    shown = separator.join(items[:SHOWN])
    return shown if len(items) <= SHOWN else f"{shown} and {len(items) - SHOWN} more"
