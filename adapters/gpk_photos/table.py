"""CSV files that people write and spreadsheets save: a heading, and rows of cells by column, each with its line.

Commas, semicolons or tabs; UTF-8 with Excel's mark or without; lines that are empty do not count, nor do the empty
cells behind a row. A row that is short lacks its last cells: they are empty.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from gpk.errors import InputError
from gpk_checkpoints.budget import Budget, read_file
from gpk_checkpoints.sniffed import require_text

DELIMITERS = ",;\t"
LARGEST = 64 * 2**20
"""Bytes of a table: a row for each of 200,000 photos, and room."""
LONGEST = 60
"""Letters of a cell in a message."""


class Table:
    """The CSV file of these bytes: its `columns`, and `rows` as (where, cells by column); `path` is whence it came.

    Raises InputError, with the line, where it is none, or a row has more cells than the heading.
    """

    def __init__(self, path: Path, content: bytes) -> None:
        self.path = path
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise self._none(f"{error.reason} at byte {error.start}") from error
        if "\0" in text:
            raise self._none("it has a zero byte")
        delimiter = max(DELIMITERS, key=text.partition("\n")[0].count)
        self._budget = Budget(str(path), InputError)
        self._budget.spend(text.count(delimiter), size=len(text))
        self._lines = csv.reader(io.StringIO(text, newline=None), delimiter=delimiter)
        self.columns = next(self._cells(), [])
        if twice := next((name for name, count in Counter(self.columns).items() if name and count > 1), None):
            raise InputError(f"{path} has two columns {short(twice)!r}: take one away")

    def rows(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Each row that is not empty, once."""
        for cells in self._cells():
            where = f"{self.path}, line {self._lines.line_num}"
            self._budget.spend(1 + len(self.columns))
            if any(cells[len(self.columns) :]):
                raise InputError(
                    f"{where} has {len(cells)} cells, and the first line {len(self.columns)}: "
                    "put a name that has a comma in double quotes"
                )
            if any(cells):
                yield where, dict.fromkeys(self.columns, "") | dict(zip(self.columns, cells, strict=False))

    def _cells(self) -> Iterator[list[str]]:
        try:
            for cells in self._lines:
                yield [cell.strip() for cell in cells]
        except csv.Error as error:
            raise self._none(f"line {self._lines.line_num}: {error}") from error

    def _none(self, why: str) -> InputError:
        return InputError(f"cannot read {self.path} as a CSV file in UTF-8: {why}: save it as that")


def read_table(path: Path) -> Table:
    """The CSV file at `path`; raises InputError where it is none."""
    try:
        require_text(path, "A CSV file in UTF-8 is needed")
        return Table(path, read_file(path, LARGEST, InputError))
    except OSError as error:
        raise InputError(f"cannot read {path} as a CSV file in UTF-8: {error.strerror}") from error


def short(text: str, letters: int = LONGEST) -> str:
    r"""A cell or a name in a message, printable and on its line.

    >>> short("cat\n.png"), short("a" * 99, 3)
    ('cat\\n.png', 'aaa…')
    """
    plain = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:letters])
    return plain if len(text) <= letters else f"{plain}…"
