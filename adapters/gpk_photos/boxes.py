"""Where to cut photos, said by a person: a CSV file with a square or a box for each.

    file,left,top,right,bottom,roll
    tom.jpg,310,220,1490,1400,
    sub/tim.heic,12,40,800,828,-8.5

Numbers are pixels of the upright photo, from its upper left corner; the longer side of the box is the side of the cut,
around the box's middle. `roll` is by how many degrees the head leans clockwise; no column, or an empty cell, is 0.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Mapping
from pathlib import Path

from gpk.detector import Found
from gpk.errors import InputError, UnknownNameError

COLUMNS = ("file", "left", "top", "right", "bottom")
"""Those that a file has to have."""


def read_boxes(path: Path, names: Collection[str]) -> dict[str, Found]:
    """The boxes in the file by the photo's name, for photos called `names`; a photo without a line has none.

    `Framing()` makes the square of it. Raises InputError, with the line, where the file cannot be used.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = [name.strip() for name in reader.fieldnames or ()]
            rows = [dict(zip(columns, row.values(), strict=False)) for row in reader]
    except (OSError, UnicodeError, csv.Error) as error:
        raise InputError(f"cannot read {path} as a CSV file in UTF-8: {error}") from error
    if missing := [name for name in COLUMNS if name not in columns]:
        raise InputError(
            f"{path} has no column {', '.join(missing)}: its first line is {','.join(COLUMNS)} and, if you like, roll"
        )
    boxes: dict[str, Found] = {}
    for line, row in enumerate(rows, start=2):
        where = f"{path}, line {line}"
        name = (row["file"] or "").strip()
        if name not in names:
            raise InputError(f"{where}: {UnknownNameError('photo', name, names)}")
        if name in boxes:
            raise InputError(f"{where}: {name} has a box already: keep one line for each photo")
        left, top, right, bottom = (_number(row, column, where) for column in COLUMNS[1:])
        if right <= left or bottom <= top:
            raise InputError(f"{where}: the box is empty: right must be beyond left, and bottom below top")
        boxes[name] = Found((left, top, right, bottom), roll=_number(row, "roll", where) if row.get("roll") else 0.0)
    return boxes


def _number(row: Mapping[str, str | None], column: str, where: str) -> float:
    try:
        value = float(row[column] or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        unit = "degrees" if column == "roll" else "pixels"
        raise InputError(f"{where}: {column} is {row[column] or ''!r}: give a number of {unit}")
    return value
