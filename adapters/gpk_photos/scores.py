"""Scores that somebody gave to pictures, as a CSV file: one picture a row, one attribute a column.

    file,smile,glasses
    00000.png,1,0
    00007.png,,yes

A picture is named by `file`, a number with any ending as the tasks write them, or by that number itself in `index`.
A score is any number, or yes or no; an empty cell says nothing.
"""

from __future__ import annotations

import math
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from gpk.errors import InputError
from gpk_photos.table import read_table, short

WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0, "": math.nan}
"""Scores that are no numbers."""
KEYS = ("file", "index")
"""Columns that name a picture: the first that is there does."""
LARGEST = torch.finfo(torch.float32).max
DIGITS = 18
"""Of a picture's number; Python refuses to read thousands."""


def read_scores(path: Path, count: int) -> dict[str, Tensor]:
    """The scores [count] of `count` pictures by attribute, NaN where the file says nothing.

    Raises InputError where it cannot be read, or names a picture that there is not.
    """
    table = read_table(path)
    columns, rows = table.columns, list(table.rows())
    key = next((name for name in KEYS if name in columns), None)
    names = [name for name in columns if name and name not in KEYS]
    if key is None or not names or not rows:
        raise InputError(
            f"{path} needs a first line of column names, `file` or `index` and an attribute's, and rows below it"
        )
    scores = {name: torch.full((count,), math.nan) for name in names}
    for where, row in rows:
        index = _index(row[key], count, where)
        for name in names:
            scores[name][index] = _score(row[name], f"{where}: {short(name)}")
    return scores


def _index(cell: str, count: int, where: str) -> int:
    stem = PurePosixPath(cell).stem
    if not stem.isdecimal():
        raise InputError(
            f"{where}: {short(cell)!r} is no picture's number: they are named by their places, as 00007.png"
        )
    if len(stem.lstrip("0")) > DIGITS or int(stem) >= count:
        told = f"there is no picture {short(stem)}: they are counted from 0, and the last is {count - 1}"
        raise InputError(f"{where}: {told}")
    return int(stem)


def _score(cell: str, where: str) -> float:
    plain = cell.lower()
    try:
        value = WORDS[plain] if plain in WORDS else float(plain)
    except ValueError:
        value = math.inf
    if abs(value) > LARGEST:
        raise InputError(f"{where} is {short(cell)!r}: give a number, yes or no, or nothing")
    return value
