"""What commands print: data on stdout, as a table for a person or as JSON for a program; messages on stderr.

Whatever a file says and whatever the terminal's encoding lacks, it can be printed: letters are escaped, JSON stays
JSON, and a message stays short.
"""

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
LINES, LETTERS, END = 40, 600, 150
"""The most of a message, and of one of its lines; of a longer one its end stays, which says what to do."""


def show(rows: Sequence[Mapping[str, object]], columns: Iterable[str], *, as_json: bool) -> None:
    """Prints `rows`: all of each as JSON, or the chosen `columns` as a table."""
    if as_json:
        print_json(rows)
    else:
        columns = tuple(columns)
        print_table(columns, [[_cell(row[column]) for column in columns] for row in rows], left=len(columns))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, left: int) -> None:
    """Prints a table, whose first columns are aligned on the `left`."""
    # Here, because importing rich takes longer than everything else that a light command does.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, heading in enumerate(headings):
        table.add_column(Text(heading), justify="left" if index < left else "right")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else UNWRAPPED).print(table)


def say(message: str) -> None:
    """Prints a message for a person, on stderr."""
    print(bounded(printable(message)), file=sys.stderr, flush=True)


def printable(text: str) -> str:
    r"""The text with control characters escaped, but for ends of lines: names of files and headers are strangers'.

    >>> printable("cat\x1b[31m.png")
    'cat\\x1b[31m.png'
    """
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def bounded(text: str) -> str:
    r"""A message that nobody has to scroll through, whatever it quotes.

    >>> len(bounded("x" * 10**6)) <= LETTERS, bounded("a" + "\n" * 1000).splitlines()[-1]
    (True, '… (961 more lines)')
    """
    lines = text.split("\n")
    more = [f"… ({len(lines) - LINES:,} more lines)"] if len(lines) > LINES else []
    return "\n".join([*map(_shortened, lines[:LINES]), *more])


def _shortened(line: str) -> str:
    if len(line) <= LETTERS:
        return line
    left_out = f" … ({len(line):,} letters) … "
    return f"{line[: LETTERS - END - len(left_out)]}{left_out}{line[-END:]}"


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
