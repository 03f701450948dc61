"""Directions of latent space as files: our own as safetensors, and those that others publish as .safetensors, .pt or
.npy, all read as data alone.

A published file holds one array [D], [1, D], [L, D] or [1, L, D], and rarely says of which checkpoint: that is up to
whoever uses it. Ours have the header `gpk` beside it: the attribute, the base, how the direction was learned.

Shapes: L latent layers, D latent width.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from corekit.directions import Direction
from corekit.errors import WeightsError
from gpk_checkpoints.files import read_safetensors, write_safetensors
from gpk_checkpoints.personas import compact
from gpk_checkpoints.sniffed import container
from gpk_checkpoints.storages import torch_data

FORMAT = "gpk-direction/1"
_NUMPY_MAGIC = b"\x93NUMPY"
MOST = 2**26
"""Bytes of a .npy file; a direction for each of 18 layers of 512 has 36,864."""


def write_direction(path: Path, direction: Direction) -> None:
    """Replaces the file at `path`, whole or not at all; raises RunError where it cannot be written."""
    header = {"format": FORMAT, "attribute": direction.attribute, "base": direction.base, **direction.facts}
    write_safetensors(path, {"direction": direction.d}, {"gpk": compact(header)})


def read_direction(path: Path) -> Direction:
    """The direction in the file at `path`, in float32; one that is not ours has no base, and the file's name for its
    attribute.

    Raises WeightsError, which names the file, where it is missing, damaged, a program, or holds no direction.
    """
    header: Mapping[str, Any] = {}
    if _start(path) == _NUMPY_MAGIC:
        arrays = {"": _numpy(path)}
    elif container(path) == "safetensors":
        arrays, metadata = read_safetensors(path)
        header = _header(path, metadata)
    elif container(path) == "torch":
        arrays = _torch(path)
    else:
        raise WeightsError(f"{path} is a pickle, which would have to be run: get the direction as .npy or safetensors")
    if len(arrays) != 1:
        names = ", ".join(sorted(arrays)) or "nothing"
        raise WeightsError(f"{path} holds {names}, and a direction is one array alone: save it by itself")
    (array,) = arrays.values()
    facts = {name: value for name, value in header.items() if name not in ("format", "attribute", "base")}
    return Direction(_checked(array, path), str(header.get("attribute", path.stem)), str(header.get("base", "")), facts)


def _checked(array: Tensor, path: Path) -> Tensor:
    """The direction [1, D] or [L, D] that the array is."""
    shape = list(array.shape)
    d = array[0] if array.ndim == 3 and len(array) == 1 else array[None] if array.ndim == 1 else array
    if d.ndim != 2 or not d.numel():
        raise WeightsError(f"{path} holds an array {shape}: a direction is [D], [1, D], [L, D] or [1, L, D]")
    if not d.is_floating_point() or not torch.isfinite(d).all():
        raise WeightsError(f"{path} holds numbers that are not finite, or no floating-point ones: get it anew")
    if not d.any():
        raise WeightsError(f"{path} is zero, which is no direction: get it anew")
    return d.float().contiguous()


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(len(_NUMPY_MAGIC))
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror}") from error


def _numpy(path: Path) -> Tensor:
    if path.stat().st_size > MOST:
        raise WeightsError(f"{path} is too large for a direction: give the file of one")
    try:
        array = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
        return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), order="C"))
    except (ValueError, EOFError, OSError, TypeError) as error:
        raise WeightsError(f"{path} is a .npy file that is damaged, or holds no numbers: get it anew") from error


def _torch(path: Path) -> dict[str, Tensor]:
    try:
        data = torch_data(path)
    except WeightsError as error:
        raise WeightsError(f"{path} {error}") from error
    named = data if isinstance(data, Mapping) else {"": data}
    return {str(name): value.detach() for name, value in named.items() if isinstance(value, Tensor)}


def _header(path: Path, metadata: Mapping[str, str]) -> Mapping[str, Any]:
    """What our own file says of itself; nothing where it is another's."""
    if "gpk" not in metadata:
        return {}
    try:
        header = json.loads(metadata["gpk"])
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path}: its header is damaged: {error}") from error
    found = header.get("format") if isinstance(header, dict) else None
    if found != FORMAT:
        raise WeightsError(f"{path} is no direction: its format is {found!r}, where this gpk reads {FORMAT!r}")
    return header
