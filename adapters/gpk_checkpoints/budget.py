"""What reading one file of a stranger's may cost: bytes, items, levels inside each other, seconds. Light: no torch.

Small files that would exhaust time or memory end in a sentence. A reader takes a `Budget`, spends from it whatever it
reads or makes, and the first sum that is overdrawn raises. `open_file` and `read_file` open what is a file and nothing
else: a named pipe or a device may have no end, and opening one may wait for ever.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Any

from gpk.errors import InputError, WeightsError

NEVER_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""A named pipe opens at once with these, and then tells what it is."""


@dataclass
class Budget:
    """What is left to spend on what `where` names: `items` (values, modules, rows), `size` in bytes, `depth` of values
    inside each other, and `seconds` from now on. Overdrawn, it raises `error`.
    """

    where: str
    error: type[InputError] = WeightsError
    items: int = 2**23
    size: int = 2**40
    depth: int = 64
    seconds: float = 600.0
    _until: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._until = time.monotonic() + self.seconds

    def spend(self, items: int = 1, size: int = 0) -> None:
        """Takes `items` and `size` bytes off."""
        self.items -= items
        self.size -= size
        if self.items < 0:
            raise self.overdrawn("more values than any such file")
        if self.size < 0:
            raise self.overdrawn("more bytes than any such file")
        if time.monotonic() > self._until:
            raise self.overdrawn(f"more than can be read in {self.seconds:g} s")

    @contextmanager
    def inside(self) -> Iterator[None]:
        """One level deeper while the block runs."""
        if not self.depth:
            raise self.overdrawn("values nested deeper than any such file")
        self.depth -= 1
        try:
            yield
        finally:
            self.depth += 1

    def overdrawn(self, what: str) -> InputError:
        """The error to raise."""
        return self.error(f"{self.where} holds {what}: it is damaged, or made to be refused. Get it anew")


def brief(text: str, most: int = 200) -> str:
    r"""`text` of a file or of a library's error as part of a line: short, in one line.

    >>> brief("no\n  number", most=6)
    'no num…'
    """
    line = " ".join(text[: 2 * most].split())
    return line if len(line) <= most else f"{line[:most]}…"


def open_file(path: Path, error: type[InputError] = WeightsError) -> BufferedReader:
    """The file at `path` open for reading, which is a file: raises `error` for a folder, a pipe or a device, and
    OSError where the system forbids it.
    """
    descriptor = os.open(path, os.O_RDONLY | NEVER_WAIT)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise error(f"{path} is no file, but a folder, a pipe or a device: give a file")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_file(path: Path, most: int, error: type[InputError] = WeightsError) -> bytes:
    """The bytes of the file at `path`, `most` at most: raises `error` for more, and as `open_file` does."""
    with open_file(path, error) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise error(f"{path} is larger than such a file is: over {most / 2**20:g} MiB. Give another")
    return content


def parse_json(content: bytes | str, budget: Budget, **hooks: Any) -> Any:  # noqa: ANN401 - JSON's types
    """What the JSON text says. Raises ValueError where it is none, the budget's error where it would cost too much;
    what is nested is counted before anything of it is made. `hooks` are those of `json.loads`.
    """
    text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
    budget.spend(text.count(",") + text.count("[") + text.count("{"), size=len(text))
    try:
        return json.loads(text, **hooks)
    except RecursionError as error:
        raise budget.overdrawn("values nested deeper than any such file") from error
