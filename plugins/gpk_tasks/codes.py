"""Codes that a task is to show: a persona's anchors, or those of a file that another task wrote.

The file is a safetensors file with a tensor `w` [N, L, D] or [N, D]. The ones that are written here also tell whose
generator they are for, since a code says nothing to another one.

Shapes: N codes, L latent layers, D latent width.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from corekit.bench import Bench
from corekit.errors import InputError
from corekit.latents import anchors_as_ws
from gpk_checkpoints.files import read_safetensors, write_safetensors


def codes_of(bench: Bench, file: Path | None) -> tuple[Tensor, str]:
    """The codes [N, L, D] in `file`, or the persona's anchors where None, and what one of them is called.

    Raises InputError where there is neither a file nor a persona, or the file's codes are not for this generator.
    """
    if file is not None:
        return read_codes(bench, file), "code"
    if bench.persona is None:
        raise InputError("which codes? Give a persona, or a file of codes with --codes")
    return bench.anchors(), "anchor"


def picked(codes: Tensor, numbers: Sequence[int], kind: str) -> Tensor:
    """The codes [n, L, D] of these numbers, counted from 0; raises InputError for one that is not there."""
    for number in numbers:
        if not 0 <= number < len(codes):
            raise InputError(f"there is no {kind} {number}: they are counted from 0, and the last is {len(codes) - 1}")
    return codes[list(numbers)]


def read_codes(bench: Bench, file: Path) -> Tensor:
    """The codes [N, L, D] in `file`, on the generator's device; raises InputError where they are not for it."""
    tensors, metadata = read_safetensors(file)
    told = _told(metadata)
    if told.get("backend", bench.backend.name) != bench.backend.name:
        raise InputError(f"{file} holds codes of {told['backend']}, which say nothing to {bench.backend.name}")
    if "w" not in tensors:
        raise InputError(f"{file} holds no codes: a tensor `w` is needed, and there are {', '.join(sorted(tensors))}")
    w, latent = tensors["w"], bench.generator.latent
    wanted = f"[N, {latent.num_ws}, {latent.w_dim}] or [N, {latent.w_dim}]"
    if (
        w.ndim not in (2, 3)
        or not len(w)
        or w.shape[-1] != latent.w_dim
        or (w.ndim == 3 and w.shape[1] != latent.num_ws)
    ):
        raise InputError(f"{file}: its `w` is {list(w.shape)}, and {bench.backend.name} takes {wanted}")
    if not (w.is_floating_point() and torch.isfinite(w).all()):
        raise InputError(f"{file}: its `w` has numbers that are not finite: make it anew")
    return anchors_as_ws(w.to(next(bench.generator.parameters())), latent.num_ws)


def write_codes(file: Path, bench: Bench, tensors: Mapping[str, Tensor]) -> None:
    """Replaces `file` by the tensors, of which `w` are codes of the bench's generator."""
    whose = {"format": "gpk-codes/1", "backend": bench.backend.name, "card": bench.card.name}
    write_safetensors(file, tensors, {"gpk": json.dumps(whose)})


def _told(metadata: Mapping[str, str]) -> Mapping[str, str]:
    """What a file of codes tells of itself; nothing where it is another's."""
    try:
        told = json.loads(metadata.get("gpk", "{}"))
    except ValueError:
        return {}
    return told if isinstance(told, dict) and told.get("format") == "gpk-codes/1" else {}
