"""What torch.save writes, read as data: a zip since torch 1.6, pickles and numbers in a row before. No torch here.

    zip       NAME/data.pkl, NAME/data/0, NAME/data/1, …    each storage an entry of its own, not compressed
    legacy    magic number, version, machine, the object, the storages' keys, then each storage: its count, its numbers

In both the object is a pickle whose storages lie outside of it, named by ("storage", type, key, place, count). Storages
are looked up now and read when they are asked for, so that what is not needed of a file costs nothing.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from gpk.errors import WeightsError
from gpk_checkpoints.budget import open_file
from gpk_checkpoints.inert import read_pickle
from gpk_checkpoints.pickled import Name, Storage, count

MAGIC = 0x1950A86A20F9469CFC6C
"""What the first pickle of a legacy file holds."""
VERSION = 1001
"""What the second one holds."""
SIZES: Mapping[str, int] = {
    "DoubleStorage": 8, "LongStorage": 8, "FloatStorage": 4, "IntStorage": 4, "HalfStorage": 2, "BFloat16Storage": 2,
    "ShortStorage": 2, "CharStorage": 1, "ByteStorage": 1, "BoolStorage": 1, "ComplexFloatStorage": 8,
    "ComplexDoubleStorage": 16,
}  # fmt: skip
"""Bytes of a number, by the type of its storage."""

ZIP_TROUBLE = (
    zipfile.BadZipFile, zlib.error, struct.error, RuntimeError, EOFError, LookupError, ValueError, OverflowError
)  # fmt: skip
"""What zipfile raises on a damaged file, an encrypted or oddly packed entry, or a name in no encoding."""


def read_archive(source: Path | bytes, where: str) -> object:
    """The object in a file of torch.save: builtin values and the records of `pickled`.

    Raises WeightsError that begins with `where` as `read_pickle` does.
    """
    if isinstance(source, bytes):
        return _read(lambda: io.BytesIO(source), where)
    return _read(lambda: open_file(source), where)


def _read(opened: Callable[[], IO[bytes]], where: str) -> object:
    try:
        with opened() as file:
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            begin = file.read(2)
            file.seek(0)
            return _zipped(opened, file, where) if begin == b"PK" else _legacy(opened, file, size, where)
    except OSError as error:
        raise WeightsError(f"cannot read {where}: {error.strerror or error}") from error
    except ZIP_TROUBLE as error:
        raise _damaged(where, type(error).__name__) from error


def _zipped(opened: Callable[[], IO[bytes]], file: IO[bytes], where: str) -> object:
    with zipfile.ZipFile(file) as archive:
        found = [info for info in archive.infolist() if info.filename.endswith("/data.pkl")]
        if len(found) != 1:
            raise WeightsError(f"{where} is a zip without what torch.save writes into one (data.pkl)")
        (program,) = found
        root = program.filename.removesuffix("data.pkl")
        entries = {info.filename.removeprefix(root): info for info in archive.infolist()}
        if any(info.compress_type != zipfile.ZIP_STORED for info in entries.values()):
            raise WeightsError(f"{where} is a zip that was packed again: torch.save compresses nothing")
        if "byteorder" in entries and archive.read(entries["byteorder"]) != b"little":
            raise WeightsError(f"{where} was written on a machine with the other byte order: save it on this kind")

        made: dict[tuple[str, str], Storage] = {}  # views of one storage share it

        def persistent(pid: object) -> Storage:
            kind, key, numbers = _place(pid)
            entry = entries.get(f"data/{key}")
            if entry is None or entry.file_size != numbers * SIZES.get(kind, 0) != 0:
                raise ValueError(f"its storage {key} is not there, or of another size")
            return made.setdefault((kind, key), Storage(kind, numbers, lambda: _entry(opened, entry, where)))

        # In memory, where its end is known: the machine leaves off behind the last instruction.
        data = archive.read(program)
        return read_pickle(io.BytesIO(data), len(data), where, persistent)


def _entry(opened: Callable[[], IO[bytes]], entry: zipfile.ZipInfo, where: str) -> bytes:
    try:
        with opened() as file, zipfile.ZipFile(file) as archive:
            return archive.read(entry)
    except (OSError, *ZIP_TROUBLE) as error:
        raise _damaged(where, type(error).__name__) from error


def _legacy(opened: Callable[[], IO[bytes]], file: IO[bytes], size: int, where: str) -> object:
    if (read_pickle(file, size, where), read_pickle(file, size, where)) != (MAGIC, VERSION):
        raise WeightsError(f"{where} is a pickle, and none that torch.save wrote")
    machine = read_pickle(file, size, where)
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise WeightsError(f"{where} was written on a machine with the other byte order: save it on this kind")
    wanted: dict[object, tuple[str, int]] = {}
    places: dict[object, int] = {}
    made: dict[object, Storage] = {}

    def persistent(pid: object) -> Storage | Name:
        if isinstance(pid, tuple) and pid[:1] == ("module",) and isinstance(pid[1], Name):
            return pid[1]  # a class, which comes with its source text
        kind, key, numbers = _place(pid)
        if wanted.setdefault(key, (kind, numbers)) != (kind, numbers):
            raise ValueError(f"its storage {key} is of two types or sizes")

        def read() -> bytes:
            with opened() as again:
                again.seek(places[key])
                return again.read(numbers * SIZES[kind])

        return made.setdefault(key, Storage(kind, numbers, read))

    tree = read_pickle(file, size, where, persistent)
    keys = read_pickle(file, size, where)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or {*keys} != {*wanted}:
        raise _damaged(where, "storages are missing")
    for key in keys:
        kind, numbers = wanted[key]
        (there,) = struct.unpack("<q", file.read(8))
        places[key] = file.tell()
        end = places[key] + numbers * SIZES.get(kind, 0)
        if kind not in SIZES or there != numbers or end > size:
            raise _damaged(where, f"a storage of {kind[:40]}")
        file.seek(end)
    return tree


def _place(pid: object) -> tuple[str, str, int]:
    """Type, key and count of numbers of a storage that lies outside of the pickle."""
    if not isinstance(pid, tuple) or len(pid) not in (5, 6) or pid[0] != "storage":
        raise ValueError("something outside of it is no storage")
    _, kind, key, _, numbers, *view = pid
    if not isinstance(kind, Name) or not isinstance(key, str) or view not in ([], [None]):
        raise ValueError("a storage is named in an unknown way")
    return kind.name, key, count(numbers)


def _damaged(where: str, what: str) -> WeightsError:
    return WeightsError(
        f"{where} is cut short or damaged, as torch.save writes files ({what}): copy it again from where it came"
    )
