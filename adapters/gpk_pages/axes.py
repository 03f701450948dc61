"""Where values stand on an axis, and which of them it names: steps of 1, 2 and 5, or powers of ten."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10
from typing import NamedTuple

SPAN = 8.0
"""From the smallest to the largest value, as a ratio: beyond it a logarithmic axis shows more."""
LEAST = 1e-300
"""Differences below it are none: there floats have no digits left."""


class Axis(NamedTuple):
    """Values from `low` to `high` on pixels from `start` to `end`, with the values to be named."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]
    log: bool = False

    def place(self, value: float) -> float:
        """The pixel of a value.

        >>> Axis(0, 10, 100, 200, ()).place(5), Axis(1, 100, 0, 50, (), log=True).place(10)
        (150.0, 25.0)
        """
        low, high, here = (log10(v) for v in (self.low, self.high, value)) if self.log else (self.low, self.high, value)
        share = 0.5 if high == low else (here - low) / (high - low)
        return round(self.start + share * (self.end - self.start), 1)


def axis_of(values: Sequence[float], start: float, end: float, *, log: bool | None = False, zero: bool = False) -> Axis:
    """An axis that all `values` are on; from 0 on where `zero`. With `log` None it is logarithmic where that helps.

    Raises ValueError for a logarithmic one of values that are not above 0.
    """
    low, high = min(values, default=0.0), max(values, default=1.0)
    if log is None:
        log = low > 0 and high / low > SPAN
    if log:
        return _logarithmic(low, high, start, end)
    return _linear(min(low, 0.0) if zero else low, high, start, end)


def steps(low: float, high: float, *, most: int = 6) -> tuple[float, ...]:
    """Round numbers that enclose `low` and `high`, at most about `most` of them.

    >>> steps(0.0, 120.0), steps(0.3, 0.94)
    ((0.0, 20.0, 40.0, 60.0, 80.0, 100.0, 120.0), (0.2, 0.4, 0.6, 0.8, 1.0))
    """
    rough = (high - low) / most or abs(high)
    rough = rough if rough > LEAST else 1.0
    power = 10.0 ** floor(log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return tuple(float(f"{k * step:.12g}") for k in range(first, max(last, first + 1) + 1))


def spelled(value: float) -> str:
    """A value in three digits, as short as it can be.

    >>> [spelled(v) for v in (0.0, 0.0123456, 120.0, 1500.0, 125000.0, 0.00001)]
    ['0', '0.0123', '120', '1,500', '125,000', '1e-05']
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _linear(low: float, high: float, start: float, end: float) -> Axis:
    ticks = steps(low, high)
    return Axis(ticks[0], ticks[-1], start, end, ticks)


def _logarithmic(low: float, high: float, start: float, end: float) -> Axis:
    """From 1, 2 or 5 times a power of ten to another; powers of ten are named where there are several, else all."""
    least, most = floor(log10(low)), ceil(log10(high))
    grid = [float(f"{m}e{k}") for k in range(least, most + 1) for m in (1, 2, 5)]
    bottom = max(value for value in grid if value <= low * 1.0001)
    top = min(value for value in grid if value >= high * 0.9999)
    inside = [value for value in grid if bottom <= value <= top]
    tens = [value for value in inside if log10(value) == round(log10(value))]
    return Axis(bottom, top, start, end, tuple(tens if len(tens) > 3 else inside), log=True)
