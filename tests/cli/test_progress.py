"""Progress in a log and on a terminal."""

from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console

from gpk_cli.progress import Lines, progress


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_line_every_tenth_of_a_quick_job() -> None:
    stream = io.StringIO()
    lines = Lines(stream, clock=Clock())
    for done in range(1, 1001):
        lines.show("tuning", done, 1000, {})
    shown = [line.split()[1] for line in stream.getvalue().splitlines()]
    assert shown == [f"{done}/1000" for done in (1, *range(101, 1000, 100), 1000)]


def test_a_line_every_ten_seconds_of_a_slow_job_with_the_time_left() -> None:
    stream, clock = io.StringIO(), Clock()
    lines = Lines(stream, clock=clock)
    for done in range(1000, 1016):
        lines.show("tuning", done, 2000, {"loss": 0.5})
        clock.now += 2.0
    assert stream.getvalue().splitlines() == [
        "tuning 1000/2000 (50%)  loss 0.5",
        "tuning 1005/2000 (50%)  33 min 10 s left  loss 0.5",
        "tuning 1010/2000 (50%)  33 min 00 s left  loss 0.5",
        "tuning 1015/2000 (51%)  32 min 50 s left  loss 0.5",
    ]


def test_each_stage_is_measured_on_its_own() -> None:
    stream, clock = io.StringIO(), Clock()
    lines = Lines(stream, clock=clock)
    lines.show("inversion", 1, 2, {})
    clock.now = 100.0
    lines.show("inversion", 2, 2, {})
    lines.show("tuning", 1, 3, {})
    clock.now = 111.0
    lines.show("tuning", 2, 3, {})
    assert stream.getvalue().splitlines()[2:] == ["tuning 1/3 (33%)", "tuning 2/3 (67%)  11 s left"]


def test_a_total_that_nobody_knows() -> None:
    stream = io.StringIO()
    Lines(stream, clock=Clock()).show("reading", 7, 0, {"files": 3})
    assert stream.getvalue() == "reading 7  files 3\n"


def test_stderr_without_a_terminal_gets_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with progress() as show:
        show("tuning", 1, 10, {"loss": float("nan")})
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "tuning 1/10 (10%)  loss nan\n")


def test_terminal_gets_bars_and_stdout_stays_clean(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(Console, "is_terminal", property(lambda console: True))
    with progress() as show:
        show("inversion", 1, 10, {"loss": 0.25})
        show("inversion", 10, 10, {"loss": 0.125})
        show("[red]", 3, 0, {})
        print("data", file=sys.stdout)
    captured = capsys.readouterr()
    assert captured.out == "data\n"
    assert "inversion" in captured.err
    assert "10/10" in captured.err
    assert "loss 0.125" in captured.err
    assert "[red]" in captured.err
