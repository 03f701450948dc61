"""A file from a server, whole and checked before it has its name. Light: never imports torch.

A connection that breaks off is taken up again where it ended, in this call or, after a crash or Ctrl-C, in the next.
"""

from __future__ import annotations

import hashlib
import http
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.error import HTTPError, URLError

from filelock import FileLock

from gpk.errors import ExtraError, RunError, WeightsError
from gpk_checkpoints.budget import open_file
from gpk_checkpoints.https import TROUBLE, opened, passes, reason
from gpk_checkpoints.partial_download import Part

CHUNK = 1 << 18
"""Bytes that are read at once, at most."""
TRIES = 4
"""Connections in a row that may bring nothing new."""

Show = Callable[[int, int], None]
"""Tells that so many bytes of a total are there; a total of 0 is one that nobody knows."""


def download(
    url: str,
    path: Path,
    *,
    sha256: str | None = None,
    show: Show | None = None,
    timeout: float = 30.0,
    pause: float = 1.0,
) -> str:
    """Leaves the file of `url` at `path`, and returns its SHA-256 in hexadecimal.

    `sha256` is the hash it must have, or its first digits; a file that is there already and has it (any, where None) is
    left as it is. `timeout` is the longest silence, `pause` the wait before a second try, doubled before each further
    one; both in seconds.

    Raises ExtraError where the file cannot be had, RunError where it cannot be written, and WeightsError where it has
    another hash: then it is deleted, and else what has come is kept, and the next call goes on with it.
    """
    wanted = (sha256 or "").lower()
    with _alone(path):
        if path.is_file() and (found := file_sha256(path)).startswith(wanted):
            return found
        with Part(path, url) as part:
            _fill(part, show, timeout, pause)
        if not part.sha256.startswith(wanted):
            part.delete()
            raise WeightsError(
                f"{url} is not the file it should be: its sha256 is {part.sha256}, expected {sha256}. It is deleted"
            )
        part.keep(path)
        return part.sha256


def file_sha256(path: Path) -> str:
    """The SHA-256 of the file at `path`, in hexadecimal; raises WeightsError where it cannot be read."""
    try:
        with open_file(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error


def _alone(path: Path) -> AbstractContextManager[object]:
    """A lock on the download to `path`, taken: a second process waits, and then finds the file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(path.with_name(f".{path.name}.lock")).acquire()
    except (OSError, NotImplementedError) as error:
        raise RunError(f"cannot write in {path.parent}: {getattr(error, 'strerror', None) or error}") from error


def _fill(part: Part, show: Show | None, timeout: float, pause: float) -> None:
    """Connects until the part is whole; raises ExtraError where that leads nowhere."""
    most, barren = part.size, 0
    while not part.whole:
        try:
            _connect(part, show, timeout)
        except TROUBLE as error:
            barren = 0 if part.size > most else barren + 1
            most = max(most, part.size)
            if isinstance(error, HTTPError) and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                part.restart()
            # Who never got through is offline, and waiting does not help.
            offline = isinstance(error, URLError) and not isinstance(error, HTTPError) and not part.begun
            said = reason(error)
            if offline or barren == TRIES or not passes(error):
                kept = f"; the {part.size / 1e6:,.1f} MB that have come are kept" if part.size else ""
                raise ExtraError(f"{part.url} cannot be fetched: {said}{kept}") from error
            time.sleep(pause * 2 ** max(barren - 1, 0))


def _connect(part: Part, show: Show | None, timeout: float) -> None:
    """Adds what one connection brings; raises one of TROUBLE where it breaks off."""
    with opened(part.url, headers=part.question(), timeout=timeout) as answer:
        part.begin(answer)
        while chunk := answer.read1(CHUNK):
            part.add(chunk)
            if show is not None:
                show(part.size, part.total)
        if part.size < part.total:
            raise ConnectionError(f"the connection ended after {part.size:,} of {part.total:,} bytes")
        if not part.size:
            raise ExtraError(f"{part.url} is an empty file")
        part.finish()
