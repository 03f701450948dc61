"""What commands print: data on stdout, as a table for a person or as JSON for a program; messages on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

import typer

from gpk_cli.stdout import json_alone, print_json

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for a program to read.", callback=json_alone)]
"""The option of every command that prints data."""

UNWRAPPED = 10_000
"""Columns of a table that goes to a file or a pipe: there a row is a line, whatever its length."""


def show(rows: Sequence[Mapping[str, object]], columns: Iterable[str], *, as_json: bool) -> None:
    """Prints `rows`: all of each as JSON, or the chosen `columns` as a table."""
    if as_json:
        print_json(rows)
    else:
        _show_table(rows, tuple(columns))


def say(message: str) -> None:
    """Prints a message for a person, on stderr."""
    print(printable(message), file=sys.stderr, flush=True)


def printable(text: str) -> str:
    r"""The text with control characters escaped, but for ends of lines: names of files and headers are strangers'.

    >>> printable("cat\x1b[31m.png")
    'cat\\x1b[31m.png'
    """
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def _show_table(rows: Sequence[Mapping[str, object]], columns: tuple[str, ...]) -> None:
    # Here, because importing rich takes longer than everything else that a light command does.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else UNWRAPPED)
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(_cell(row[column])) for column in columns))
    console.print(table)


def _cell(value: object) -> str:
    """A value in words; of what has a name, the name.

    >>> _cell([{"name": "cats", "licence": "CC0"}, {"name": "dogs"}]), _cell(None), _cell(True)
    ('cats, dogs', '-', 'yes')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return str(value["name"])
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value)) or "-"
    return "-" if value is None or value == "" else str(value)
