"""stdout is for data alone: what plugins, libraries and C code print, whenever and however, goes to stderr.

The descriptor 1 leads to stderr while gpk runs, and `print` goes to a copy of what it was: a table, a plugin's own
command. From the moment that `--json` is read, `print_json` alone does.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from typing import TextIO

_data: ContextVar[TextIO | None] = ContextVar("data", default=None)


def data_stream() -> TextIO:
    """Where data goes."""
    return _data.get() or sys.stdout


def print_json(value: object) -> None:
    """Prints `value`, of JSON's types, as the data of a command."""
    print(json.dumps(value, indent=2, ensure_ascii=False), file=data_stream())


def json_alone(chosen: bool) -> bool:
    """The callback of the option `--json`: until `data_alone` ends, `print` writes to stderr."""
    if chosen and _data.get() is not None:
        sys.stdout = sys.stderr
    return chosen


@contextmanager
def data_alone(*, to_the_end: bool) -> Iterator[None]:
    """Inside, stdout is for data alone; with `to_the_end` what is printed afterwards, as Python ends, is no data
    either.
    """
    outer = sys.stdout
    try:
        descriptor = outer.fileno()
        copy = os.dup(descriptor)
        os.dup2(2, descriptor)
    except (AttributeError, OSError, ValueError):  # closed, or no file: a notebook's, or that of a test
        with _printing_to(outer):
            yield
        return
    stream = os.fdopen(copy, "w", encoding=outer.encoding, errors=outer.errors)
    try:
        with _printing_to(stream):
            yield
    finally:
        if to_the_end:
            sys.stdout = sys.stderr
        else:
            os.dup2(copy, descriptor)
        with contextlib.suppress(OSError):  # nobody reads any more, which was told of already
            stream.close()


@contextmanager
def _printing_to(stream: TextIO) -> Iterator[None]:
    token = _data.set(stream)
    try:
        with redirect_stdout(stream):
            yield
    finally:
        _data.reset(token)
