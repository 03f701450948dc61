"""How far a job is: bars on a terminal, and in a log a line every ten seconds or ten per cent.

A job is handed `show(stage, done, total, figures)` and calls it once a step; both displays make that cheap.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from gpk_cli.output import printable
from gpk_runs.humanize import duration

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

Show = Callable[[str, int, int, Mapping[str, float]], None]
"""Tells that `done` of `total` steps of a stage are done, with figures; a total of 0 is one that nobody knows."""

EVERY_SECONDS = 10.0
EVERY_SHARE = 0.1
"""After how long, or after what share of a stage, a line is due."""


@contextmanager
def progress(stream: TextIO | None = None) -> Iterator[Show]:
    """Bars where `stream`, stderr by default, is a terminal that can redraw; lines elsewhere.

    >>> with progress(sys.stdout) as show:
    ...     show("training", 1, 10, {"loss": 0.5})
    training 1/10 (10%)  loss 0.5
    """
    from rich.console import Console

    chosen = sys.stderr if stream is None else stream
    console = Console(file=chosen)
    if console.is_terminal and not console.is_dumb_terminal:
        with _bars(console) as bars:
            yield Bars(bars).show
    else:
        yield Lines(chosen).show


class Lines:
    """Plain lines, for logs."""

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._stage: str | None = None

    def show(self, stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        """Writes a line at a stage's first step and its last, and in between where one is due."""
        now = self._clock()
        if stage != self._stage:
            # A resumed job starts in the middle: its speed is measured from there.
            self._stage, self._began, self._first = stage, now, done
        elif done != total and not self._due(now, done, total):
            return
        self._said, self._shown = now, done
        rate = (done - self._first) / (now - self._began) if now > self._began else 0.0
        left = f"{duration((total - done) / rate)} left" if rate > 0 and total > done else ""
        steps = f"{done}/{total} ({done / total:.0%})" if total else str(done)
        told = filter(None, [f"{printable(stage)} {steps}", left, spelled(figures)])
        print("  ".join(told), file=self._stream, flush=True)

    def _due(self, now: float, done: int, total: int) -> bool:
        return now - self._said >= EVERY_SECONDS or (total > 0 and done - self._shown >= EVERY_SHARE * total)


class Bars:
    """A bar for each stage, redrawn in place ten times a second at most."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._stages: dict[str, TaskID] = {}

    def show(self, stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        """Moves the stage's bar."""
        if stage not in self._stages:
            self._stages[stage] = self._bars.add_task(printable(stage), total=total or None, completed=done, figures="")
        self._bars.update(self._stages[stage], completed=done, total=total or None, figures=spelled(figures))


def _bars(console: Console) -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[figures]}", markup=False),
        console=console,
        redirect_stdout=False,  # data must not end up on stderr with the bars
    )


def spelled(figures: Mapping[str, float]) -> str:
    """Figures in four digits, or all before the point.

    >>> spelled({"loss": 0.123456, "faces": 12000})
    'loss 0.1235  faces 12000'
    """
    return "  ".join(f"{name} {value:{'.4g' if abs(value) < 1e4 else '.0f'}}" for name, value in figures.items())
