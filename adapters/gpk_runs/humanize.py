"""Numbers as people say them: durations and sizes. Light: never imports torch."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """A duration in the two units that matter.

    >>> duration(42.4), duration(61), duration(7322)
    ('42 s', '1 min 01 s', '2 h 02 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def size(count: int) -> str:
    """A number of bytes in the unit that suits.

    >>> size(205_976), size(1_234_567), size(14_200_000)
    ('206 kB', '1.2 MB', '14 MB')
    """
    if count < 999_500:
        return f"{count / 1e3:.0f} kB"
    return f"{count / 1e6:.{1 if count < 9_950_000 else 0}f} MB"
