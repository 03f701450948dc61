"""Writing a file, or a folder, whole or not at all. Light: never imports torch.

The bytes go to a part of gpk's own in the same folder (`gpk_checkpoints.parts`) and reach the disk, then a rename gives
them their name; a crash at any moment leaves the old file or the new one. Where the name is a link, the link is
replaced, and what it leads to stays as it was.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gpk.errors import RunError
from gpk_checkpoints.parts import new_part, part_of

CONTENT = "content"
"""What the part of an empty folder's files is named after."""
_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
"""No space, over the limit of a file's size, over the quota (an error that Windows does not know)."""


def write_atomically(path: Path, chunks: Iterable[bytes | memoryview]) -> None:
    """Replaces the file at `path` by the concatenated chunks, and makes the folders it needs.

    Raises RunError where that is impossible (no space, no permission, a folder of that name); the old file survives.
    """
    with _made(path) as part, part.open("rb+") as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives the path of a part to write in the block, for libraries that write files themselves; when the block ends,
    the part becomes the file at `path`, and where it fails, nothing of it stays. Raises as `write_atomically` does.
    """
    with _made(path) as part:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
            if not os.fstat(file.fileno()).st_size:
                raise RunError(f"cannot write {path}: nothing was written to it: give another place")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Gives a folder to fill in the block, which becomes the one at `path`; where the block fails, nothing of it stays.

    An empty folder that is there stays what it was and is given the files at the end, because someone may stand in it,
    mount it, or write nowhere else. Raises as `write_atomically` does.
    """
    if not path.is_dir():
        with _made(path, folder=True) as part:
            yield part
        return
    try:
        with new_part(path / CONTENT, folder=True) as part:
            yield part
            move_into(path, part)
    except OSError as error:
        raise _unwritable(path, error, (path, part_of(path / CONTENT))) from error


def holds_something(folder: Path) -> bool:
    """Whether anything is in the folder, but what `new_folder` had begun there when it was killed."""
    return any(child != part_of(folder / CONTENT) for child in folder.iterdir())


def move_into(folder: Path, part: Path) -> None:
    """Moves all that is in `part` into the folder, in the order of the names, or nothing."""
    moved: list[str] = []
    try:
        for child in sorted(part.iterdir()):
            child.rename(folder / child.name)
            moved.append(child.name)
    except BaseException:
        for name in moved:
            (folder / name).rename(part / name)
        raise


@contextmanager
def _made(path: Path, *, folder: bool = False) -> Iterator[Path]:
    part = part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_part(path, folder=folder):
            yield part
            part.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise _unwritable(path, error, (path, part)) from error


def _unwritable(path: Path, error: OSError, known: tuple[Path, ...]) -> RunError:
    """What to raise where the system forbids something; it names what was touched, unless that is known from `path`."""
    mend = "make room, and run it again" if error.errno in _FULL else "give another place"
    there = error.filename is None or Path(error.filename) in known
    what = f"{error.strerror or error}{'' if there else f' ({error.filename})'}"
    return RunError(f"cannot write {path}: {what}: {mend}")


def _sync_folder(folder: Path) -> None:
    """Makes the new name itself survive a power failure, where the system opens folders for that: not on Windows, not
    where one may write and not read, and not on every file system. The file is whole all the same.
    """
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
