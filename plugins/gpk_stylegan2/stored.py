"""What the modules of a pickled network say of themselves: clamp, precision, activation; and the mean that lies beside.

Each synthesis layer keeps its `conv_clamp` and each block its `use_fp16`, whichever program wrote the file, while the
constructor's arguments leave out what was at its default; and the defaults differ between programs. So the layers are
read, and arguments only where there are none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gpk.checkpoint import Stored
from gpk.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

Modules = Mapping[str, Mapping[str, Any]]
"""The plain attributes of each module by its path: `gpk.checkpoint.Stored.modules`."""
AVERAGE = "latent_avg"
"""What encoders and rosinality's scripts call the mean of w, beside the network it belongs to."""
LINEAR = ("affine", "embed")
"""Fully connected layers that have no activation."""


def synthesis_state(modules: Modules, prefix: str) -> dict[str, object]:
    """`conv_clamp` and `num_fp16_res` of the synthesis network at `prefix` ("synthesis."); empty where nothing is told.

    Raises InputError for layers that differ where this network has one value, or are of another kind.
    """
    require_kind(modules, prefix)
    pattern = re.compile(re.escape(prefix) + r"b(\d+)")
    reduced = {
        int(m[1]): bool(own["use_fp16"])
        for path, own in modules.items()
        if (m := pattern.fullmatch(path)) and "use_fp16" in own
    }
    in_order = [reduced[side] for side in sorted(reduced)]
    if in_order != sorted(in_order):
        sides = ", ".join(str(side) for side in sorted(reduced) if reduced[side])
        raise InputError(f"use_fp16 is set in the blocks {sides}; only the last ones can be in half precision")
    return clamp_state(modules, prefix) | ({"num_fp16_res": sum(in_order)} if reduced else {})


def clamp_state(modules: Modules, prefix: str) -> dict[str, object]:
    """The `conv_clamp` that all layers below `prefix` have; empty where none tells one. Raises InputError where they
    differ.
    """
    told = {own["conv_clamp"]: path for path, own in modules.items() if path.startswith(prefix) and "conv_clamp" in own}
    if len(told) > 1:
        some = ", ".join(f"{clamp} in {path}" for clamp, path in told.items())
        raise InputError(f"conv_clamp differs between layers ({some}), which is not supported")
    return {"conv_clamp": next(iter(told))} if told else {}


def require_kind(modules: Modules, prefix: str) -> None:
    """Raises InputError for a layer below `prefix` whose activation, architecture or noise is not StyleGAN2's."""
    for path, own in modules.items():
        if not path.startswith(prefix):
            continue
        last = path.rpartition(".")[2]
        wanted = "linear" if last in LINEAR else "lrelu"
        for name, only in (("activation", wanted), ("architecture", "skip"), ("use_noise", True)):
            if name in own and own[name] not in (only, None):
                raise InputError(f"{path}: {name} is {own[name]!r}; only {only!r} is supported")


def with_mean(network: Stored, name: str) -> Mapping[str, Tensor]:
    """The network's tensors; where they lack `name`, the mean of w, with the one that lies beside the network, as in an
    encoder's file. One mean [L, D] for each layer is none, unless all are the same.
    """
    if name in network.tensors or AVERAGE not in network.beside:
        return network.tensors
    mean = one_mean(network.beside[AVERAGE])
    return {**network.tensors, name: mean} if mean.ndim == 1 else network.tensors


def one_mean(average: Tensor) -> Tensor:
    """The mean [D], which encoders keep once for every layer, [L, D]; as it is, where the layers differ."""
    if average.ndim == 2 and len(average) and bool((average == average[:1]).all()):
        return average[0]
    return average
