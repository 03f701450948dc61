"""Writing a file, or a folder, whole or not at all. Light: never imports torch.

The bytes go to a part of gpk's own in the same folder (`gpk_checkpoints.parts`) and reach the disk, then a rename gives
them their name; a crash at any moment leaves the old file or the new one. Where the name is a link, the link is
replaced, and what it leads to stays as it was.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gpk.errors import RunError
from gpk_checkpoints.parts import new_part, part_of

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
    """Gives a folder to fill in the block, which becomes the one at `path`, absent or empty until then; where the block
    fails, nothing of it stays. Raises as `write_atomically` does.
    """
    with _made(path, folder=True) as part:
        yield part


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
        mend = "make room, and run it again" if error.errno in _FULL else "give another place"
        there = error.filename is None or Path(error.filename) in (path, part)
        what = f"{error.strerror or error}{'' if there else f' ({error.filename})'}"
        raise RunError(f"cannot write {path}: {what}: {mend}") from error


def _sync_folder(folder: Path) -> None:
    """Makes the new name itself survive a power failure; only POSIX systems open folders for that."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
