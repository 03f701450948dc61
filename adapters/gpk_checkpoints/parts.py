"""What is under way: a hidden part beside what it is to become, which one process alone writes. Light: no torch.

    .NAME.gpk-part     made anew, never opened where it was; a link of that name is not followed

Its writer holds a lock on it (flock) while it lives, so that what a killed process left can be told from what another
one is writing: the first is deleted by whoever comes next, the second is somebody's and stays. Where a file system
has no locks, or NFS keeps those of folders to each machine, the two are not told apart, and what came last is begun
anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gpk.errors import RunError

try:
    import fcntl
except ImportError:  # Windows, where nobody can delete what another has open
    fcntl = None

SUFFIX = ".gpk-part"
LONGEST = 143
"""Bytes of a file's name where the fewest are allowed (eCryptfs)."""
UNFOLLOWED = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
TRIES = 8
"""Times that a part is begun anew, where others clean up at the same moment."""


def part_of(path: Path) -> Path:
    """Where what becomes `path` is written."""
    name = f".{path.name}{SUFFIX}"
    if len(os.fsencode(name)) > LONGEST:
        name = f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:32]}{SUFFIX}"
    return path.with_name(name)


@contextmanager
def new_part(path: Path, *, folder: bool = False) -> Iterator[Path]:
    """Gives an empty part of `path`, a file or a `folder`, that is this block's alone; what is still of that name when
    the block ends is deleted.

    Raises RunError where another process writes it, or something else is in its place, and OSError where the system
    forbids it.
    """
    part = part_of(path)
    descriptor = _begun(part, folder=folder)
    try:
        yield part
    finally:
        if descriptor is None or _is(part, descriptor):  # else it has its name, and another's may be here
            with contextlib.suppress(OSError):  # the block's own error tells more, and whoever comes next tries again
                _delete(part)
        if descriptor is not None:
            os.close(descriptor)


def remove_parts(directory: Path) -> None:
    """Deletes the parts in the folder and below that killed processes left; follows no link."""
    for root, folders, files in os.walk(directory):
        parts = [name for name in (*folders, *files) if name.startswith(".") and name.endswith(SUFFIX)]
        for name in parts:
            with contextlib.suppress(RunError, OSError):  # a living process's, another user's, or nothing of ours
                _remove(Path(root, name))
        folders[:] = [name for name in folders if name not in parts]


def _begun(part: Path, *, folder: bool) -> int | None:
    """A descriptor of the new part that holds its lock; None where the system has no locks."""
    for _ in range(TRIES):
        descriptor = None
        try:
            if folder:
                part.mkdir()
            else:
                descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | UNFOLLOWED, 0o666)
        except FileExistsError:
            _remove(part)
            continue
        if folder and fcntl:
            try:
                descriptor = os.open(part, os.O_RDONLY | UNFOLLOWED)
            except FileNotFoundError:
                continue  # somebody cleaned up the folder between its making and its opening
        if descriptor is None or (_locked(descriptor) and _is(part, descriptor)):
            return descriptor if fcntl else _closed(descriptor)
        os.close(descriptor)
    raise _busy(part)


def _remove(part: Path) -> None:
    """Deletes what a killed process left; raises RunError where a living one writes it, or it is none of ours."""
    try:
        kind = part.lstat().st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            raise RunError(f"{part} is in the way, and nothing that gpk wrote: move it away")
        if fcntl is None:
            _delete(part)
            return
        # Over NFS, a file is locked only by who may write it.
        descriptor = os.open(part, (os.O_RDONLY if stat.S_ISDIR(kind) else os.O_RDWR) | UNFOLLOWED)
    except FileNotFoundError:
        return
    try:
        if not _locked(descriptor):
            raise _busy(part)
        if _is(part, descriptor):
            _delete(part)
    finally:
        os.close(descriptor)


def _closed(descriptor: int | None) -> None:
    """Windows renames nothing that is open."""
    if descriptor is not None:
        os.close(descriptor)


def _delete(part: Path) -> None:
    if part.is_dir() and not part.is_symlink():
        shutil.rmtree(part)
    else:
        part.unlink(missing_ok=True)


def _locked(descriptor: int) -> bool:
    """Whether the lock is ours now; True where the file system has none."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _is(part: Path, descriptor: int) -> bool:
    """Whether what has that name is what is open."""
    try:
        return os.path.samestat(part.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _busy(part: Path) -> RunError:
    return RunError(f"{part} is being written by another process: wait for it, or give another place")
