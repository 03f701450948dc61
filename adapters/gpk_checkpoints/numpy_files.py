"""NumPy's .npy and .npz as data: what a header claims is held against the bytes that are there before any are read.

A .npy file is a magic, a version, the header's length, the header (type, order and shape, as a Python literal), and the
numbers; a .npz file is a zip of such files (numpy.lib.format, "NPY format"). Messages are to follow the file's name.
"""

from __future__ import annotations

import io
import math
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor

from gpk.errors import WeightsError
from gpk_checkpoints.archives import ZIP_TROUBLE
from gpk_checkpoints.array_kinds import KINDS, Kind, Way, listed, loading, most_bytes, saving
from gpk_checkpoints.budget import open_file
from gpk_checkpoints.pickled import MOST_SIDES

MAGIC = b"\x93NUMPY"
"""How a .npy file begins."""
DAMAGE = (ValueError, TypeError, OverflowError, EOFError, MemoryError, RecursionError, TokenError)
"""What NumPy raises on a header that is none."""
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""How numpy packs a .npz file."""


def read_npy(path: Path) -> Tensor:
    """The array of the .npy file at `path`, in float32, row by row.

    Raises WeightsError where it is cut short or damaged, or holds anything but floating-point numbers, and OSError
    where it cannot be read.
    """
    with open_file(path) as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        return _array(file, size, path, "npy", ())


def read_npz(path: Path, choose: Callable[[Sequence[Way]], str]) -> tuple[str, Tensor]:
    """The array of the .npz file at `path` that `choose` names, of the ways to those it has, as `read_npy` gives it.

    Raises WeightsError as that does, and for an array that would unpack to more than `most_bytes`.
    """
    with zipfile.ZipFile(path) as archive:
        members = {one.filename.removesuffix(".npy"): one for one in archive.infolist()}
        name = choose([(name,) for name in members])
        member, what = members[name], f"is a .npz file whose array {listed([name])}"
        if member.file_size > most_bytes(path):
            raise WeightsError(f"{what} unpacks to {member.file_size:,} bytes, more than codes ever do: get it anew")
        if member.compress_type not in METHODS:
            raise WeightsError(f"{what} is packed as numpy never does it: save it with `np.savez`")
        try:
            with archive.open(member) as stream:  # which unpacks no more than is asked for, whatever is there
                content = stream.read(member.file_size)
        except (OSError, *ZIP_TROUBLE) as error:
            raise WeightsError(f"{what} is damaged: copy or download it again") from error
        return name, _array(io.BytesIO(content), len(content), path, "npz", (name,))


def _array(file: IO[bytes], size: int, path: Path, kind: Kind, way: Way) -> Tensor:
    """The array of the .npy file of `size` bytes in `file`."""
    what = f"is {KINDS[kind]}"
    damaged = f"{what} that is cut short or damaged: copy or download it again"
    try:
        shape, fortran, dtype = _header(file)
    except DAMAGE as error:
        raise WeightsError(damaged) from error
    if len(shape) > MOST_SIDES or any(type(side) is not int or not 0 <= side < 1 << 63 for side in shape):
        raise WeightsError(damaged)
    _require_numbers(dtype, f"{what} {list(shape)}", path, loading(path, kind, way))
    there, wanted = size - file.tell(), math.prod(shape) * dtype.itemsize
    if wanted > there:
        raise WeightsError(damaged)
    if wanted < there:
        raise WeightsError(f"{what} {list(shape)} with {there - wanted:,} bytes behind the array: save that alone")
    try:
        flat = np.frombuffer(file.read(wanted), dtype).reshape(shape, order="F" if fortran else "C")
        with np.errstate(over="ignore"):  # what becomes infinite is told to whoever gave it
            return torch.from_numpy(np.array(flat, np.float32, order="C"))
    except ValueError as error:  # more sides than an array can have
        raise WeightsError(damaged) from error


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    """Shape, whether columns come first, and type; leaves `file` where the numbers begin."""
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError(version)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Python 2's numbers
        # Version 3 is version 2 in UTF-8, for the names of records, which are refused.
        return npy.read_array_header_1_0(file) if version == (1, 0) else npy.read_array_header_2_0(file)


def _require_numbers(dtype: np.dtype[np.generic], what: str, path: Path, load: str) -> None:
    """Raises WeightsError where they are no floating-point numbers."""
    if dtype.hasobject:
        raise WeightsError(
            f"{what} of Python objects, which would have to be run to be read: where it was made, "
            '`np.save("w.npy", np.stack(list(w)).astype("float32"))` saves the numbers alone'
        )
    if dtype.fields is not None:
        line = saving(path, f"numpy.lib.recfunctions.structured_to_unstructured({load})")
        raise WeightsError(f"{what} of records ({listed([*dtype.fields])}): {line} converts it")
    if dtype.kind != "f":
        convert = saving(path, load + '.astype("float32")') + " converts it, if they are such"
        how = convert if dtype.kind in "biuSU" else "save it as float32 where it was made"
        raise WeightsError(f"{what} of {dtype.name}, where floating-point numbers are needed: {how}")
