"""`selection.csv`: which photos of a prepared album are used, why not the others, and what was measured; the user's to
edit.

    file,crop,use,decided by,gpk says,why,...
    IMG_0001.jpg,photos/IMG_0001-3fa9c2.png,yes,gpk,yes,,...
    IMG_0002.jpg,photos/IMG_0002-9bd0e1.png,yes,you,no,blurred: ...,...

A decision is the user's where `use` differs from what `gpk says`, and stays so by `decided by`, whatever gpk says
later; an empty `use` gives the photo back to gpk. So the file tells all by itself: no memory of ours contradicts it.

Spreadsheets run a cell that begins like a formula: names that do so are written with an apostrophe before them, and
control characters as escapes. Files saved by spreadsheets are read with commas, semicolons or tabs.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gpk.errors import InputError
from gpk_checkpoints.atomic import write_atomically
from gpk_checkpoints.budget import read_file
from gpk_photos.table import LARGEST, Table, short

SELECTION = "selection.csv"
COLUMNS = ("file", "crop", "use", "decided by", "gpk says", "why")
"""Those that the file has to have; what was measured stands in others."""
WORDS = {"yes": True, "y": True, "true": True, "1": True, "no": False, "n": False, "false": False, "0": False}
FORMULAS = ("=", "+", "-", "@", "'", "\t", "\r")
"""How a cell begins that a spreadsheet computes, and the apostrophe itself, so that nothing is read back as another."""

Author = Literal["gpk", "you"]


@dataclass(frozen=True)
class Choice:
    """A line: a photo's name in its folder and its crop's in the album (empty where there is none), whether it is
    used, who decided that, what gpk would do and why, and what was measured, by column.
    """

    file: str
    crop: str
    use: bool
    decided_by: Author
    suggested: bool
    reasons: tuple[str, ...] = ()
    measured: Mapping[str, str] = field(default_factory=dict)

    @property
    def word(self) -> str:
        """The first reason in a word or two.

        >>> Choice("a.jpg", "", False, "gpk", False, ("too small: it would be enlarged 3.1 times",)).word
        'too small'
        """
        first = self.reasons[0] if self.reasons else "by your decision"
        return "duplicates" if first.startswith("repeats ") else first.partition(":")[0]


def write_selection(path: Path, choices: Iterable[Choice]) -> None:
    """Replaces the file at `path`, whole or not at all; raises RunError where it cannot be written."""
    choices = list(choices)
    measured = list(dict.fromkeys(name for choice in choices for name in choice.measured))
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow([*COLUMNS, *measured])
    for each in choices:
        told = [each.file, each.crop, _spelled(each.use), each.decided_by, _spelled(each.suggested)]
        cells = [*told, "; ".join(each.reasons), *(each.measured.get(name, "") for name in measured)]
        table.writerow([safe(cell) for cell in cells])
    write_atomically(path, [text.getvalue().encode("utf-8-sig")])  # the mark by which Excel knows UTF-8


def read_decisions(path: Path, names: Sequence[str]) -> tuple[dict[str, bool], list[str]]:
    """What the user decided, by the name of the photo, and sentences on lines that name none of the photos `names`.

    Raises InputError where the file is no such table, and, naming the line, where `use` is no decision or a photo is
    decided twice, differently.
    """
    by_cell = {safe(name).strip(): name for name in names}
    decisions: dict[str, bool] = {}
    strangers: list[str] = []
    for where, row in _rows(path, _content(path)):
        cell = row["file"]
        name = by_cell.get(cell) or by_cell.get(safe(cell))  # a spreadsheet may have eaten the apostrophe
        use = _decision(row["use"], where)
        if name is None:
            strangers.append(f"{where}: {short(cell)!r} is not among the photos: the line is dropped")
            continue
        theirs = row["decided by"].lower() == "you" or use is not _decision(row["gpk says"], where)
        if use is not None and theirs and decisions.setdefault(name, use) is not use:
            raise InputError(f"{where}: {short(cell)} is decided twice, and differently: keep one of the lines")
    return decisions, strangers


def _content(path: Path) -> bytes:
    try:
        return read_file(path, LARGEST, InputError)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}: make it readable, or delete it") from error


def used_crops(content: bytes, path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The crops that are used, each with its photo's name, and the photos that are not, each with the reason; a column
    `use` that is empty counts as gpk's own suggestion. Raises InputError that names the line; `path` is whence it came.
    """
    used: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for where, row in _rows(path, content):
        use = _decision(row["use"], where)
        if use is None:
            use = _decision(row["gpk says"], where)
        if use and row["crop"]:
            used[_plain(row["crop"])] = _plain(row["file"])
        else:
            left_out[_plain(row["file"])] = row["why"] or "not wanted"
    return used, left_out


def safe(cell: str) -> str:
    r"""The cell as a spreadsheet takes it for text and for one line; numbers are left as they are.

    >>> safe("=cmd()"), safe("-0.31"), safe("a\nb"), safe("'quoted'")
    ("'=cmd()", '-0.31', 'a\\nb', "''quoted'")
    """
    cell = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cell)
    return f"'{cell}" if cell.startswith(FORMULAS) and not _is_number(cell) else cell


def _plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULAS) else cell


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _spelled(use: bool) -> str:
    return "yes" if use else "no"


def _decision(cell: str, where: str) -> bool | None:
    word = cell.lower()
    if word and word not in WORDS:
        raise InputError(f"{where}: `use` is {short(cell)!r}: write yes or no, or nothing to leave it to gpk")
    return WORDS[word] if word else None


def _rows(path: Path, content: bytes) -> Iterator[tuple[str, dict[str, str]]]:
    """Each line that is not empty, as cells by column, after where it is."""
    table = Table(path, content)
    heading = [column.lower() for column in table.columns]
    if missing := [name for name in COLUMNS if name not in heading]:
        raise InputError(
            f"{path} has no column {missing[0]!r}: put it back, or delete the file to have gpk write it anew"
        )
    for where, row in table.rows():
        yield where, {column.lower(): cell for column, cell in row.items()}
