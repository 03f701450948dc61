"""A generator from a config and a file's tensors, with everything checked that a wrong file could have wrong.

The names, shapes and values are checked here, so that a wrong file is answered with what is wrong in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gpk.errors import InputError, WeightsError
from gpk.generator import Generator
from gpk.plugin import Backend
from gpk_checkpoints.inert import shown

SHOWN = 3
"""How many tensors a message names before it counts."""


def assemble(
    path: Path, backend: Backend, config: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> tuple[Generator, Mapping[str, Any]]:
    """The generator on the CPU, frozen, in eval mode, and its whole config; half-precision values become float32.

    Raises WeightsError, which names the file at `path`, where the tensors are not one generator of the backend.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    try:
        fitted = config if backend.fit is None else backend.fit(config, shapes)
        # First without memory: a damaged file may tell of any size, and the check compares it with what is there.
        wanted = _built(backend, fitted, "meta")
    except InputError as error:
        raise WeightsError(f"{path} holds no generator that {backend.name} can take: {error}") from error
    except (RuntimeError, OverflowError) as error:
        raise WeightsError(f"{path} is not of sizes that a {backend.name} generator can have: {error}") from error
    check_tensors(path, backend, wanted, tensors)
    # On the CPU rather than the meta device: buffers outside the state dict (filters, ray grids) are then real.
    generator = _built(backend, fitted, "cpu")
    generator.load_state_dict(tensors)  # copies, and so casts to the generator's own types
    return generator.requires_grad_(False).eval(), fitted


def _built(backend: Backend, config: Mapping[str, Any], device: str) -> Generator:
    """Its random start is to be overwritten, so the caller's random stream is left as it was."""
    with torch.random.fork_rng(devices=()), torch.device(device):
        return backend.build(config)


def check_tensors(path: Path, backend: Backend, built: Generator, stored: Mapping[str, Tensor]) -> None:
    """Raises WeightsError where the tensors `stored` in the file at `path` are not those of the generator `built`, in
    names, shapes and being numbers.
    """
    wanted = built.state_dict()
    missing = [name for name in wanted if name not in stored]
    if 2 * len(missing) > len(wanted):
        there = len(wanted) - len(missing)
        raise WeightsError(
            f"{path} looks like another family's file: it has {there} of the {len(wanted)} tensors of {backend.name}; "
            f"missing are {_listed(missing)}"
        )
    if missing:
        buffers = {name for name, _ in built.named_buffers()}
        saved = ": save its state_dict(), which has buffers too" if buffers.issuperset(missing) else ""
        raise WeightsError(f"{path} is no whole {backend.name} generator: missing are {_listed(missing)}{saved}")
    if surplus := [name for name in stored if name not in wanted]:
        raise WeightsError(f"{path} has tensors that this {backend.name} generator has not: {_listed(surplus)}")
    misshaped = [
        f"{name} {list(stored[name].shape)}, expected {list(tensor.shape)}"
        for name, tensor in wanted.items()
        if stored[name].shape != tensor.shape
    ]
    if misshaped:
        raise WeightsError(f"{path} has tensors of another shape: {_listed(misshaped, '; ')}")
    odd = [name for name, t in stored.items() if t.is_complex() or t.is_quantized or t.layout != torch.strided]
    if odd:
        raise WeightsError(f"{path} has tensors that are no plain numbers: {_listed(odd)}")
    if broken := [name for name, tensor in stored.items() if not torch.isfinite(tensor).all()]:
        raise WeightsError(f"{path} has numbers that are not finite in {_listed(broken)}")


def _listed(items: Sequence[str], separator: str = ", ") -> str:
    told = separator.join(shown(item) for item in items[:SHOWN])
    return told if len(items) <= SHOWN else f"{told} and {len(items) - SHOWN} more"
