"""Scores that somebody gave to pictures, as a CSV file: one picture a row, one attribute a column.

    file,smile,glasses
    00000.png,1,0
    00007.png,,yes

A picture is named by `file`, a number with any ending as the tasks write them, or by that number itself in `index`.
A score is any number, or yes or no; an empty cell says nothing.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from gpk.errors import InputError

WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0, "": math.nan}
"""Scores that are no numbers."""
KEYS = ("file", "index")
"""Columns that name a picture: the first that is there does."""


def read_scores(path: Path, count: int) -> dict[str, Tensor]:
    """The scores [count] of `count` pictures by attribute, NaN where the file says nothing.

    Raises InputError where it cannot be read, or names a picture that there is not.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeError, csv.Error) as error:
        raise InputError(f"cannot read {path} as a CSV file in UTF-8: {error}") from error
    columns = list(rows[0]) if rows else []
    key = next((name for name in KEYS if name in columns), None)
    names = [name for name in columns if name and name not in KEYS]
    if key is None or not names:
        raise InputError(
            f"{path} needs a first line of column names, `file` or `index` and an attribute's, and rows below it"
        )
    scores = {name: torch.full((count,), math.nan) for name in names}
    for line, row in enumerate(rows, start=2):
        index = _index(row, key, count, f"{path}, line {line}")
        for name in names:
            scores[name][index] = _score(row.get(name), f"{path}, line {line}: {name}")
    return scores


def _index(row: Mapping[str, str | None], key: str, count: int, where: str) -> int:
    stem = PurePosixPath((row[key] or "").strip()).stem
    if not stem.isdecimal():
        raise InputError(f"{where}: {row[key]!r} is no picture's number: they are named by their places, as 00007.png")
    if int(stem) >= count:
        raise InputError(f"{where}: there is no picture {stem}: they are counted from 0, and the last is {count - 1}")
    return int(stem)


def _score(text: str | None, where: str) -> float:
    plain = (text or "").strip().lower()
    try:
        value = WORDS[plain] if plain in WORDS else float(plain)
    except ValueError:
        raise InputError(f"{where} is {text!r}: give a number, yes or no, or nothing") from None
    if math.isinf(value):
        raise InputError(f"{where} is {text!r}: give a number, yes or no, or nothing")
    return value
