"""A file under way: what has come of it, and what is needed to go on. Light: never imports torch.

The bytes are in `NAME.part`; `NAME.part.json` holds the address, the length, and the server's ETag or date of the file.
With those a later connection asks for the rest *if the file is still that one* (Range and If-Range, RFC 9110, sections
13.1.5 and 14.2); a server that sends all of it again, or another file, starts over.
"""

from __future__ import annotations

import hashlib
import http
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

from gpk.errors import RunError, WeightsError
from gpk_checkpoints.budget import NEVER_WAIT, Budget, parse_json, read_file
from gpk_checkpoints.parts import UNFOLLOWED

MOST_OF_NOTE = 2**16
"""Bytes of `NAME.part.json`."""


class Part:
    """What has come of the file of `url` that is to be at `path`: `size` bytes of `total`, 0 where nobody knows.

    `begun` once a server has answered, `whole` once everything is there. Raises RunError where the disk fails.
    """

    def __init__(self, path: Path, url: str) -> None:
        self.url, self.path = url, path.with_name(path.name + ".part")
        self._note = path.with_name(path.name + ".part.json")
        self._file: FileIO | None = None
        self.begun = False
        self.restart()
        with self._written():
            self._resume()
        self.whole = 0 < self.size == self.total

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    @property
    def sha256(self) -> str:
        """Of what is there, in hexadecimal."""
        return self._hash.hexdigest()

    def question(self) -> dict[str, str]:
        """The headers that ask for the rest; none where nothing is there."""
        return {"Range": f"bytes={self.size}-", "If-Range": self._version} if self.size else {}

    def restart(self) -> None:
        """Forgets what is there."""
        self.size, self.total, self._version, self._hash = 0, 0, "", hashlib.sha256()

    def begin(self, answer: HTTPResponse) -> None:
        """Prepares for the body of `answer`, the rest or all of it; raises ConnectionError where it is neither."""
        self.begun = True
        if answer.status == http.HTTPStatus.PARTIAL_CONTENT:
            sent = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
            if not sent or int(sent[1]) != self.size or sent[2] not in ("*", str(self.total or sent[2])):
                self.restart()
                raise ConnectionError("the server sent another part of the file than the one asked for")
        else:
            self.restart()
            self.total, self._version = answer.length or 0, _version(answer)
        with self._written():
            self.__exit__(None, None, None)
            self._require_room()
            self._file = FileIO(self.path, "ab" if self.size else "wb", opener=_unfollowed)
            self._note.unlink(missing_ok=True)  # a link there would be written through
            self._note.write_text(json.dumps({"url": self.url, "version": self._version, "total": self.total}))

    def add(self, chunk: bytes) -> None:
        """Writes `chunk` behind what is there."""
        assert self._file is not None
        with self._written():
            left = memoryview(chunk)
            while left:  # a disk that fills up takes a part of it first
                left = left[self._file.write(left) :]
        self._hash.update(chunk)
        self.size += len(chunk)

    def finish(self) -> None:
        """Makes it outlast a power failure, and is `whole`."""
        assert self._file is not None
        with self._written():
            os.fsync(self._file.fileno())
        self.whole = True

    def keep(self, path: Path) -> None:
        """Gives the file its name."""
        with self._written():
            self.path.replace(path)
            self._note.unlink(missing_ok=True)

    def delete(self) -> None:
        """Leaves nothing."""
        with self._written():
            self.path.unlink(missing_ok=True)
            self._note.unlink(missing_ok=True)

    def _resume(self) -> None:
        """Takes up what an earlier process left of the same address, where it can be told from another file's."""
        try:
            note = parse_json(read_file(self._note, MOST_OF_NOTE), Budget(str(self._note)))
            url, version, total = note["url"], str(note["version"]), int(note["total"])
        except (WeightsError, OSError, ValueError, LookupError, TypeError):  # there is none, or a crash cut it short
            return
        if url != self.url or not version or self.path.is_symlink() or not self.path.is_file():
            return
        with self.path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size <= total or not total:
                self.size, self.total, self._version = size, total, version
                self._hash = hashlib.file_digest(file, "sha256")

    def _require_room(self) -> None:
        missing, free = self.total - self.size, shutil.disk_usage(self.path.parent).free
        if missing > free:
            raise RunError(
                f"{self.path.parent} has {free / 1e6:,.0f} MB free, and {missing / 1e6:,.0f} MB are to come: make room"
            )

    @contextmanager
    def _written(self) -> Iterator[None]:
        """The disk's errors told apart from the network's, which are OSErrors too."""
        try:
            yield
        except OSError as error:
            raise RunError(
                f"cannot write {self.path}: {error.strerror or error}. What has come is kept: mend that, and the same "
                "command goes on"
            ) from error


def _unfollowed(path: str, flags: int) -> int:
    """Opens a file, and nothing that a link of its name leads to, or a pipe that nobody reads: OSError."""
    return os.open(path, flags | UNFOLLOWED | NEVER_WAIT, 0o666)


def _version(answer: HTTPResponse) -> str:
    """What names the file's very bytes, empty where nothing does: a weak ETag does not (RFC 9110, section 8.8.1)."""
    tag = answer.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")
