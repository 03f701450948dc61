"""Means with their spread, and tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isnan
from statistics import fmean, stdev
from typing import NamedTuple


class Spread(NamedTuple):
    """Mean and standard deviation over individuals (0 where there is one), and how many there were."""

    mean: float
    deviation: float
    subjects: int

    def spelled(self, digits: int, *, scale: float = 1.0) -> str:
        """The mean ± the deviation; no deviation of one individual or of whole numbers, nothing where nobody knows.

        >>> Spread(0.5, 0.01, 5).spelled(2), Spread(0.5, 0.0, 1).spelled(2)
        ('0.50 ± 0.01', '0.50')
        """
        if isnan(self.mean):
            return ""
        mean = f"{self.mean * scale:,.{digits}f}"
        return f"{mean} ± {self.deviation * scale:.{digits}f}" if digits and self.subjects > 1 else mean


def spread(values: Iterable[float | None]) -> Spread:
    """Of the values that are known, neither None nor NaN; the mean of none is NaN."""
    known = [value for value in values if value is not None and not isnan(value)]
    if not known:
        return Spread(float("nan"), 0.0, 0)
    return Spread(fmean(known), stdev(known) if len(known) > 1 else 0.0, len(known))


def markdown(headings: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """The table of `lines` under `headings`, whose cells are Markdown."""
    rows = [headings, ["---"] * len(headings), *lines]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
