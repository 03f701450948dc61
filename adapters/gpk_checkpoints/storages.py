"""Tensors from the records of a checkpoint: the one place where its numbers reach torch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gpk.errors import WeightsError
from gpk_checkpoints.archives import SIZES, read_archive
from gpk_checkpoints.pickled import NumpyArray, Packed, Storage, Strided

NUMBERS = {
    "DoubleStorage": torch.float64, "FloatStorage": torch.float32, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
}  # fmt: skip
"""Types of numbers by the type of their storage."""
NUMPY = {
    "b1": torch.bool, "i1": torch.int8, "i2": torch.int16, "i4": torch.int32, "i8": torch.int64, "u1": torch.uint8,
    "f2": torch.float16, "f4": torch.float32, "f8": torch.float64,
}  # fmt: skip
"""The same by numpy's code, as far as networks have them."""


SLACK = 1 << 20
"""Bytes beyond twice its size that a file's tensors may have: archives inside a pickle lie twice in memory."""


class Storages:
    """The storages read so far, each once, of a file of `size` bytes; one place of it may stand for many."""

    def __init__(self, size: int) -> None:
        self._left = 2 * size + SLACK
        self._flat: dict[Packed | Storage, Tensor] = {}

    def tensor(self, stored: Strided | NumpyArray | Tensor) -> Tensor:
        """The tensor, as a view of its storage on the CPU; one that is there already as it is.

        Raises WeightsError, whose message is to follow the tensor's name, where the storage is damaged, or the view
        leaves it or repeats its numbers.
        """
        if isinstance(stored, Tensor):
            return stored
        if isinstance(stored, NumpyArray):
            self._spend(len(stored.data))
            return _array(stored)
        storage = stored.storage
        if storage not in self._flat:
            found = _unpacked(storage) if isinstance(storage, Packed) else storage
            self._spend(found.count * SIZES.get(found.kind, 0))
            self._flat[storage] = _numbers(found)
        flat = self._flat[storage]
        # Checked here, in integers that do not overflow: torch may make a storage larger rather than refuse.
        size, count = stored.size, math.prod(stored.size)
        end = stored.offset + sum((n - 1) * step for n, step in zip(size, stored.stride, strict=True)) + 1
        if count > len(flat) or stored.offset > len(flat) or (count and end > len(flat)):
            raise WeightsError(f"claims {list(size)} numbers of a storage of {len(flat):,}: the file is damaged")
        try:
            return flat.as_strided(size, stored.stride, stored.offset)
        except RuntimeError as error:  # sides beside a 0 whose product overflows
            raise WeightsError(f"claims {list(size)} numbers: the file is damaged") from error

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise WeightsError("is one of many that have their numbers from one place: the file is damaged")


def _unpacked(packed: Packed) -> Storage:
    try:
        stored = read_archive(packed.payload, "it")
    except WeightsError as error:
        raise WeightsError(str(error).removeprefix("it ")) from error
    if not isinstance(stored, Storage):
        raise WeightsError(f"is {type(stored).__name__}, not numbers of a usual type")
    return stored


def _numbers(storage: Storage) -> Tensor:
    """The numbers [n] of the storage."""
    if storage.kind not in NUMBERS:
        raise WeightsError(f"is {storage.kind[:40]}, not numbers of a usual type")
    data = storage.read()
    if len(data) != storage.count * SIZES[storage.kind]:
        raise WeightsError(f"is cut short: {len(data):,} bytes where {storage.count:,} numbers are due")
    return _tensor(data, NUMBERS[storage.kind], (storage.count,))


def _array(array: NumpyArray) -> Tensor:
    if array.kind is None or array.kind.code not in NUMPY:
        raise WeightsError("is an array of no usual numbers")
    dtype = NUMPY[array.kind.code]
    if len(array.data) != math.prod(array.shape) * dtype.itemsize:
        raise WeightsError(f"claims {list(array.shape)} numbers in {len(array.data):,} bytes: the file is damaged")
    shape = array.shape[::-1] if array.fortran else array.shape
    data = array.data
    if array.kind.order == ">":
        data = b"".join(data[at : at + dtype.itemsize][::-1] for at in range(0, len(data), dtype.itemsize))
    flat = _tensor(data, dtype, shape)
    return flat.permute(*range(flat.ndim)[::-1]) if array.fortran else flat


def _tensor(data: bytes, dtype: torch.dtype, shape: Sequence[int]) -> Tensor:
    # A copy, for the bytes of a file are not to be written to.
    try:
        flat = torch.frombuffer(bytearray(data), dtype=dtype) if data else torch.empty(0, dtype=dtype)
        return flat.reshape(tuple(shape))
    except RuntimeError as error:  # sides beside a 0 whose product overflows
        raise WeightsError(f"claims {list(shape)} numbers: the file is damaged") from error
