"""What lies in an album's folder or zip: names relative to it, and how to read each; nothing is unpacked to disk."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

from gpk.errors import AlbumError

Reader = Callable[[], bytes]
"""Reads one file whole; raises AlbumError with the reason where it cannot be read."""

LARGEST_FILE = 256 * 2**20
"""Bytes of one file: no photograph is larger, and a zip's member of a kilobyte may unpack to gigabytes."""


def is_album(path: Path) -> bool:
    """Whether `path` is a folder or a zip, by its content or at least its name."""
    return path.is_dir() or (path.is_file() and (zipfile.is_zipfile(path) or path.suffix.lower() == ".zip"))


@contextmanager
def album_files(path: Path) -> Iterator[Mapping[str, Reader]]:
    """The files at `path` by name, sorted; readable while the context is open.

    Hidden files, `__MACOSX` and a zip's absolute or climbing paths are not among them.
    Raises AlbumError where `path` is neither a folder nor a zip.
    """
    if not path.exists():
        raise AlbumError(f"no album at {path}: there is no such folder or zip file")
    if not is_album(path):
        raise AlbumError(f"{path} is neither a folder nor a zip file: give the folder that holds the photos")
    if path.is_dir():
        yield _folder_files(path)
        return
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise AlbumError(f"{path} is not a whole zip file ({error}): copy or download it again") from error
    with archive:
        yield _zip_files(archive)


def relative_name(name: str) -> str | None:
    r"""The name inside an album in normal form, or None for what an album never holds.

    >>> relative_name("./cats\\tom.png"), relative_name("../tom.png"), relative_name("__MACOSX/._tom.png")
    ('cats/tom.png', None, None)
    """
    # A name that is no text would stop the log later; escapes keep it readable.
    plain = PurePosixPath(name.replace("\\", "/").encode("utf-8", "backslashreplace").decode())
    alien = plain.is_absolute() or ":" in plain.parts[0] if plain.parts else True
    if alien or any(part.startswith(".") or part == "__MACOSX" for part in plain.parts):
        return None
    return str(plain)


def _folder_files(folder: Path) -> dict[str, Reader]:
    found = ((relative_name(file.relative_to(folder).as_posix()), file) for file in folder.rglob("*") if file.is_file())
    return {name: partial(_read_file, file) for name, file in sorted(found, key=_by_name) if name is not None}


def _zip_files(archive: zipfile.ZipFile) -> dict[str, Reader]:
    found = ((relative_name(member.filename), member) for member in archive.infolist() if not member.is_dir())
    return {name: partial(_read_member, archive, one) for name, one in sorted(found, key=_by_name) if name is not None}


def _by_name(found: tuple[str | None, object]) -> str:
    return found[0] or ""


def _read_file(file: Path) -> bytes:
    try:
        _check_size(file.stat().st_size)
        return file.read_bytes()
    except OSError as error:
        # strerror alone: the full message holds the absolute path.
        raise AlbumError(f"cannot be read: {error.strerror}") from error


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    _check_size(member.file_size)
    try:
        # The size in the directory may lie; one byte more than allowed is enough to know.
        with archive.open(member) as stream:
            data = stream.read(LARGEST_FILE + 1)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError) as error:
        raise AlbumError(f"damaged inside the zip: {error}") from error
    except RuntimeError as error:  # an encrypted member, or a compression that this Python lacks
        raise AlbumError(f"cannot be unpacked: {error}") from error
    _check_size(len(data))
    return data


def _check_size(size: int) -> None:
    if size == 0:
        raise AlbumError("an empty file")
    if size > LARGEST_FILE:
        raise AlbumError(f"larger than a photo: {size / 2**20:.0f} MiB, over the limit of {LARGEST_FILE // 2**20} MiB")
