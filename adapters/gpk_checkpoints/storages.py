"""Tensors from the records of an official pickle: the one place where its numbers reach torch."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import torch
from torch import Tensor

from corekit.errors import WeightsError
from gpk_checkpoints.inert import shown
from gpk_checkpoints.pickled import Storage, Strided

NUMBERS = (
    torch.float64, torch.float32, torch.float16, torch.bfloat16,
    torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
)  # fmt: skip


class Storages:
    """The storages read so far, each once."""

    def __init__(self) -> None:
        self._flat: dict[Storage, Tensor] = {}

    def tensor(self, strided: Strided) -> Tensor:
        """The tensor, as a view of its storage on the CPU.

        Raises WeightsError, whose message is to follow the tensor's name, where the storage is damaged, or the view
        leaves it or repeats its numbers.
        """
        if strided.storage not in self._flat:
            self._flat[strided.storage] = _numbers(strided.storage.payload)
        flat = self._flat[strided.storage]
        # Checked here, in integers that do not overflow: torch may make a storage larger rather than refuse.
        size, count = strided.size, math.prod(strided.size)
        end = strided.offset + sum((n - 1) * step for n, step in zip(size, strided.stride, strict=True)) + 1
        if count > len(flat) or strided.offset > len(flat) or (count and end > len(flat)):
            raise WeightsError(
                f"claims {list(size)} numbers of a storage of {len(flat):,}: the file is damaged, get it anew"
            )
        return flat.as_strided(size, strided.stride, strided.offset)


def torch_data(source: IO[bytes] | Path, *, classes: Sequence[type] = ()) -> object:
    """What torch.save wrote, read as data: tensors, containers, and instances of `classes` with their attributes.

    Raises WeightsError, whose message is to follow the file's name, where it names anything else or is damaged.
    """
    try:
        with torch.serialization.safe_globals([*classes]):
            return torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # there is hardly an error that damaged bytes do not make torch raise
        # Not torch's own words, which advise to read the file unsafely.
        if found := re.search(r"GLOBAL (\S+)", str(error)):
            raise WeightsError(
                f"is a pickle that names {shown(found[1])}, which checkpoints do not: it is refused, and nothing in it "
                "was run. Get the file anew from its publisher, or as safetensors"
            ) from error
        raise WeightsError(
            f"is cut short or damaged, as torch.save writes files ({type(error).__name__}): copy or download it again"
        ) from error


def _numbers(payload: bytes) -> Tensor:
    """The numbers [n] that torch.save wrote."""
    stored = torch_data(io.BytesIO(payload))
    if not isinstance(stored, torch.storage.TypedStorage) or stored.dtype not in NUMBERS:
        raise WeightsError(f"is {type(stored).__name__}, not numbers of a usual type: get the file anew")
    return torch.empty(0, dtype=stored.dtype).set_(stored)  # pyright: ignore[reportArgumentType, reportCallIssue]
