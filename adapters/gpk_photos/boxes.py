"""Where to cut photos, said by a person: a CSV file with a square or a box for each.

    file,left,top,right,bottom,roll
    tom.jpg,310,220,1490,1400,
    sub/tim.heic,12,40,800,828,-8.5

Numbers are pixels of the upright photo, from its upper left corner; the longer side of the box is the side of the cut,
around the box's middle. `roll` is by how many degrees the head leans clockwise; no column, or an empty cell, is 0.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping
from pathlib import Path

from gpk.detector import Found
from gpk.errors import InputError
from gpk_photos.table import read_table, short

COLUMNS = ("file", "left", "top", "right", "bottom")
"""Those that a file has to have."""
LONGEST, MOST = 200, 1000
"""Letters of a name, and names, that are compared to guess which photo was meant."""


def read_boxes(path: Path, names: Collection[str]) -> dict[str, Found]:
    """The boxes in the file by the photo's name, for photos called `names`; a photo without a line has none.

    `Framing()` makes the square of it. Raises InputError, with the line, where the file cannot be used.
    """
    table = read_table(path)
    if missing := [name for name in COLUMNS if name not in table.columns]:
        raise InputError(
            f"{path} has no column {', '.join(missing)}: its first line is {','.join(COLUMNS)} and, if you like, roll"
        )
    boxes: dict[str, Found] = {}
    known = set(names)
    for where, row in table.rows():
        name = row["file"]
        if name not in known:
            raise InputError(f"{where}: unknown photo {short(name)!r}: {_hint(name, names)}")
        if name in boxes:
            raise InputError(f"{where}: {short(name)} has a box already: keep one line for each photo")
        left, top, right, bottom = (_number(row, column, where) for column in COLUMNS[1:])
        if right <= left or bottom <= top:
            raise InputError(f"{where}: the box is empty: right must be beyond left, and bottom below top")
        boxes[name] = Found((left, top, right, bottom), roll=_number(row, "roll", where) if row.get("roll") else 0.0)
    return boxes


def _hint(name: str, names: Collection[str]) -> str:
    near = difflib.get_close_matches(name[:LONGEST], sorted(names)[:MOST], n=1, cutoff=0.5)
    return f"did you mean {short(near[0])!r}?" if near else f"it is none of the {len(names)} photos"


def _number(row: Mapping[str, str], column: str, where: str) -> float:
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        unit = "degrees" if column == "roll" else "pixels"
        raise InputError(f"{where}: {column} is {short(row[column])!r}: give a number of {unit}")
    return value
