"""What lies in an album's folder or zip: names relative to it, and how to read each; nothing is unpacked to disk.

A folder that is a link is looked into like any other, and no folder twice: a circle of links has an end. Links inside a
zip are not followed. What is no file, such as a pipe, has a name here and is refused when it is read.
"""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Protocol

from gpk.errors import AlbumError
from gpk_checkpoints.archives import ZIP_TROUBLE
from gpk_checkpoints.budget import Budget, open_file
from gpk_checkpoints.sniffed import what_is


class Reader(Protocol):
    """Reads one file whole, or its `first` bytes alone; raises AlbumError with the reason where it cannot be read."""

    def __call__(self, first: int | None = None) -> bytes:
        """Its bytes."""
        ...


LARGEST_FILE = 256 * 2**20
"""Bytes of one file: no photograph is larger, and a zip's member of a kilobyte may unpack to gigabytes."""
MOST_FILES = 2**20
"""Names in an album: a link may lead to a whole disk."""
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
"""How a zip's members may be packed: unlike these, LZMA and Zstandard ask for as much memory as the member says."""


def is_album(path: Path) -> bool:
    """Whether `path` is a folder or a zip, by its content or at least its name."""
    return path.is_dir() or (path.is_file() and (zipfile.is_zipfile(path) or path.suffix.lower() == ".zip"))


@contextmanager
def album_files(path: Path) -> Iterator[Mapping[str, Reader]]:
    """The files at `path` by name, sorted; readable while the context is open.

    Hidden files and folders, `__MACOSX` and a zip's absolute or climbing paths are not among them. Raises AlbumError
    where `path` is neither a folder nor a zip, or holds more than `MOST_FILES`.
    """
    if not path.exists():
        raise AlbumError(f"no album at {path}: there is no such folder or zip file")
    if not is_album(path):
        what = what_is(path) if path.is_file() else "a pipe or a device"
        raise AlbumError(
            f"{path} is neither a folder nor a zip file, but {what}. Give the folder that holds the photos"
        )
    budget = Budget(str(path), AlbumError, items=MOST_FILES)
    if path.is_dir():
        yield _sorted(_folder_files(path, budget))
        return
    with open_file(path, AlbumError) as file:
        try:
            archive = zipfile.ZipFile(file)
        except (OSError, *ZIP_TROUBLE) as error:
            raise AlbumError(f"{path} is not a whole zip file ({error}): copy or download it again") from error
        with archive:
            yield _sorted(_zip_files(archive, budget))


def relative_name(name: str) -> str | None:
    r"""A zip's name for a file in normal form, or None for what an album never holds.

    >>> relative_name("./cats\\tom.png"), relative_name("12:30.jpg"), relative_name("../tom.png")
    ('cats/tom.png', '12:30.jpg', None)
    >>> relative_name("C:\\tom.png"), relative_name("__MACOSX/._tom.png")
    (None, None)
    """
    plain = PurePosixPath(_text(name.replace("\\", "/")))
    if not plain.parts or PureWindowsPath(str(plain)).anchor or any(map(_is_hidden, plain.parts)):
        return None
    return str(plain)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _text(name: str) -> str:
    """A name that is no text would stop the log later; escapes keep it readable."""
    return name.encode("utf-8", "backslashreplace").decode()


def _sorted(found: Iterable[tuple[str, Reader]]) -> dict[str, Reader]:
    return dict(sorted(found, key=lambda each: each[0]))


def _folder_files(folder: Path, budget: Budget) -> Iterator[tuple[str, Reader]]:
    """Folders that are links come last, so that what they lead to has its own name where it lies in the album too."""
    seen = {_identity(above) for above in folder.resolve().parents}  # a link up there would hold the album itself
    folders, links = [("", str(folder))], list[tuple[str, str]]()
    while folders or links:
        home, place = folders.pop() if folders else links.pop(0)
        try:
            if (identity := _identity(place)) in seen:
                continue
            seen.add(identity)
            with os.scandir(place) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError:
            yield home.removesuffix("/") or ".", partial(_read_file, place)  # which tells the reason
            continue
        for entry in entries:
            budget.spend()
            name = home + _text(entry.name)
            if _is_hidden(entry.name):
                continue
            if _is_folder(entry):
                (links if entry.is_symlink() else folders).append((f"{name}/", entry.path))
            else:
                yield name, partial(_read_file, entry.path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder, or leads to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _identity(place: str | Path) -> tuple[int, int]:
    told = Path(place).stat()
    return told.st_dev, told.st_ino


def _zip_files(archive: zipfile.ZipFile, budget: Budget) -> Iterator[tuple[str, Reader]]:
    for member in archive.infolist():
        budget.spend()
        name = None if member.filename.endswith("/") else relative_name(member.filename)
        if name is not None:
            yield name, partial(_read_member, archive, member)


def _read_file(file: str, first: int | None = None) -> bytes:
    try:
        with open_file(Path(file), AlbumError) as stream:
            _check_size(os.fstat(stream.fileno()).st_size)
            return stream.read() if first is None else stream.read(first)
    except AlbumError as error:
        # The messages of others hold the absolute path.
        raise error if file not in str(error) else AlbumError("no file, but a folder, a pipe or a device") from None
    except OSError as error:
        raise AlbumError(f"cannot be read: {error.strerror}") from error


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, first: int | None = None) -> bytes:
    if stat.S_ISLNK(member.external_attr >> 16):
        raise AlbumError("a link, which is not followed in a zip: pack the file itself")
    if member.compress_type not in PACKED:
        raise AlbumError("packed in a way that is not read here: make an ordinary zip")
    _check_size(member.file_size)
    try:
        # The size in the directory may lie; one byte more than allowed is enough to know.
        with archive.open(member) as stream:
            data = stream.read(LARGEST_FILE + 1 if first is None else first)
    except RuntimeError as error:  # an encrypted member
        raise AlbumError(f"cannot be unpacked: {error}") from error
    except (OSError, *ZIP_TROUBLE) as error:
        raise AlbumError(f"damaged inside the zip: {error}") from error
    _check_size(len(data))
    return data


def _check_size(size: int) -> None:
    if size == 0:
        raise AlbumError("an empty file")
    if size > LARGEST_FILE:
        raise AlbumError(f"larger than a photo: {size / 2**20:.0f} MiB, over the limit of {LARGEST_FILE // 2**20} MiB")
