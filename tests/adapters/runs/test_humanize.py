"""Durations and sizes."""

from gpk_runs.humanize import duration, size


def test_durations_carry_over() -> None:
    assert [duration(s) for s in (59.4, 59.6, 3599.6, 86400)] == ["59 s", "1 min 00 s", "1 h 00 min", "24 h 00 min"]


def test_sizes_carry_over() -> None:
    assert [size(n) for n in (0, 999_499, 999_500, 9_949_999, 9_950_000)] == [
        "0 kB",
        "999 kB",
        "1.0 MB",
        "9.9 MB",
        "10 MB",
    ]
