"""The tensors of a file of torch.save, and of any tensor its numbers, where it claims no more than its file holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from gpk.errors import WeightsError
from gpk_checkpoints.archives import read_archive
from gpk_checkpoints.array_kinds import KINDS, Kind, Way, loading, most_bytes, saving
from gpk_checkpoints.pickled import NumpyArray, Strided
from gpk_checkpoints.storages import Storages

DEEPEST, MOST_ITEMS = 3, 1000
"""How far containers are looked into: a file may name one list a million times."""


def tensors_in(path: Path) -> dict[Way, Tensor]:
    """The tensors of the file of torch.save at `path` by the way to each, () where it holds one and nothing else.

    Raises WeightsError, whose message is to follow the file's name, as `read_archive` does.
    """
    found: dict[Way, Tensor] = {}
    storages = Storages(path.stat().st_size)
    try:
        waiting: list[tuple[Way, object]] = [((), read_archive(path, str(path)))]
    except WeightsError as error:
        raise WeightsError(str(error).removeprefix(f"{path} ")) from error
    for _ in range(MOST_ITEMS):
        if not waiting:
            break
        way, item = waiting.pop(0)
        if isinstance(item, Strided | NumpyArray):
            found[way] = storages.tensor(item)
        elif isinstance(item, Mapping | list | tuple) and len(way) < DEEPEST:
            inside = list(item.items() if isinstance(item, Mapping) else enumerate(item))[:MOST_ITEMS]
            waiting += [((*way, step if isinstance(step, int) else str(step)), each) for step, each in inside]
    return found


def numbers_of(path: Path, kind: Kind, way: Way, tensor: Tensor) -> Tensor:
    """The tensor in float32, row by row.

    Raises WeightsError, whose message is to follow the file's name, where it holds no floating-point numbers, or a few
    of them so many times that they are more than `most_bytes`.
    """
    what = f"is {KINDS[kind]} {list(tensor.shape)}"
    if tensor.layout != torch.strided or tensor.is_nested or tensor.is_quantized or tensor.device.type != "cpu":
        raise WeightsError(f"{what}, sparse, quantized or without numbers: save it dense where it was made")
    if tensor.numel() * 4 > most_bytes(path):
        raise WeightsError(f"{what}, more numbers than the file holds: it repeats some, or is damaged. Get it anew")
    if not tensor.is_floating_point():
        kept = str(tensor.dtype).removeprefix("torch.")
        convert = f"{saving(path, loading(path, kind, way))} converts it, if they are such"
        raise WeightsError(f"{what} of {kept}, where floating-point numbers are needed: {convert}")
    return tensor.detach().float().contiguous()
