"""stdout is for data alone: what plugins, libraries and C code print, whenever and however, goes to stderr.

The descriptor 1 leads to stderr while gpk runs, and `print` goes to a copy of what it was: a table, a plugin's own
command. From the moment that `--json` is read, `print_json` alone does.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from typing import Any, TextIO

_data: ContextVar[TextIO | None] = ContextVar("data", default=None)


def open_streams() -> None:
    r"""Lets stdout and stderr take every letter: one that their encoding lacks is written as `\xe9` or `\u2026`.

    Where stdout is closed there is one again, which fails as a full disk does, once something is printed.
    """
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def data_stream() -> TextIO:
    """Where data goes."""
    return _data.get() or sys.stdout


def print_json(value: object) -> None:
    """Prints `value`, of JSON's types, as the data of a command."""
    text = json_of(value)
    try:
        text.encode(data_stream().encoding or "utf-8")
    except UnicodeEncodeError:  # escaped as JSON has it: as a stream would, it were none any more
        text = json.dumps(json.loads(text), indent=2)
    print(text, file=data_stream())


def json_of(value: object, *, indent: int = 2) -> str:
    """`value` as JSON, which has no NaN and no infinity: they are null.

    >>> json_of({"psnr": float("nan"), "name": "Möwe"}, indent=0).replace(chr(10), "")
    '{"psnr": null,"name": "Möwe"}'
    """
    return json.dumps(_finite(value), indent=indent, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:  # noqa: ANN401 - JSON's types
    match value:
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {name: _finite(item) for name, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
    return value


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
