"""The guard around every attack: each input is taken or refused with a sentence, in bounded time and memory.

    make attack                                        all of it, minutes
    .venv/bin/pytest -m attack tests/attack/test_x.py  one

An attack is a test with the marker `attack` that takes `tally` and calls `tally.attempt` for each of its inputs, made
by a random generator with a fixed seed; the table at the end has a row for each.
"""

from __future__ import annotations

import contextlib
import resource
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from gpk.errors import GpkError, PluginError

SECONDS = 20.0
"""What one input may take, on a machine that does other things too."""
ROOM = 1 << 30
"""Bytes that one input may add to the process's memory."""
LONGEST, WIDEST = 4000, 600
"""Letters of a message, and of one of its lines."""


class TookTooLongError(BaseException):
    """Raised by the alarm; no handler of errors takes it for one."""


@dataclass
class Tally:
    """What became of the inputs of one attack."""

    name: str
    taken: int = 0
    refused: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def tried(self) -> int:
        """Inputs so far."""
        return self.taken + self.refused + len(self.failures)

    def attempt(self, what: str, call: Callable[[], object]) -> object:
        """Calls with one input, named `what`; the value where it was taken, the error where it was refused."""
        try:
            with _bounded():
                value = call()
        except GpkError as error:
            problem = _problem(error)
            if problem:
                self.failures.append(f"{what}: {problem}")
            else:
                self.refused += 1
            return error
        except (Exception, TookTooLongError) as error:
            self.failures.append(f"{what}: {type(error).__name__}: {str(error)[:200]}")
            return error
        self.taken += 1
        return value

    def fail(self, what: str, why: str) -> None:
        """Notes a failure that no exception shows: the input was taken, and something is wrong."""
        self.failures.append(f"{what}: {why}")


def _problem(error: GpkError) -> str | None:
    """What is wrong with a refusal; None where it is as it should be."""
    text = str(error)
    if isinstance(error, PluginError) or error.exit_code != 2:
        return f"exit code {error.exit_code}: {text[:200]}"
    if isinstance(error.__cause__, MemoryError):
        return f"out of memory: {text[:200]}"
    if not text or len(text) > LONGEST or any(len(line) > WIDEST for line in text.splitlines()):
        return f"a message of {len(text):,} letters: {text[:200]}"
    return None


@contextlib.contextmanager
def _bounded() -> Iterator[None]:
    """Ends what takes too long, and has memory beyond the room fail."""

    def rang(number: int, frame: FrameType | None) -> None:
        raise TookTooLongError(f"over {SECONDS:g} s")

    before, limits = signal.signal(signal.SIGALRM, rang), resource.getrlimit(resource.RLIMIT_AS)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (now + ROOM, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


_tallies: pytest.StashKey[list[Tally]] = pytest.StashKey()


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    """The count of one attack, named after its test; fails at the end where an input did."""
    made = Tally(request.node.name.removeprefix("test_").replace("_", " "))
    request.config.stash.setdefault(_tallies, []).append(made)
    yield made
    shown = "\n  ".join(made.failures[:20])
    assert not made.failures, f"{len(made.failures)} of {made.tried} failed:\n  {shown}"
    assert made.tried


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The table of docs/security.md."""
    tallies = config.stash.get(_tallies, [])
    if not tallies:
        return
    rows = [(t.name, t.tried, t.taken, t.refused, len(t.failures)) for t in tallies]
    total = ("all", *(sum(int(row[k]) for row in rows) for k in range(1, 5)))
    terminalreporter.write_line("\n| what | tried | taken | refused | failed |\n|---|---:|---:|---:|---:|")
    for name, *counts in [*rows, total]:
        terminalreporter.write_line(f"| {name} | {' | '.join(f'{count:,}' for count in counts)} |")
