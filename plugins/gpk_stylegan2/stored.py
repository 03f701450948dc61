"""What the modules of a pickled network say of themselves: clamp, precision, activation.

Each synthesis layer keeps its `conv_clamp` and each block its `use_fp16`, whichever program wrote the file, while the
constructor's arguments leave out what was at its default; and the defaults differ between programs. So the layers are
read, and arguments only where there are none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gpk.errors import InputError

Modules = Mapping[str, Mapping[str, Any]]
"""The plain attributes of each module by its path: `gpk.checkpoint.Stored.modules`."""
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
