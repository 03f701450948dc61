"""Ctrl-C and a polite kill, answered between two steps, or in the middle of one where nothing is lost by that.

A signal that whoever started the process had it ignore, as a shell does with the Ctrl-C of what it leaves in the
background, is ignored on.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Gives a function that says whether SIGINT or SIGTERM arrived inside the block; a second one stops at once.

    Outside the main thread, where Python takes no signal handlers, it always says no.
    """
    asked = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    with _answered_by(note):
        yield lambda: asked


@contextmanager
def stopped_at_once() -> Iterator[Callable[[], None]]:
    """Raises KeyboardInterrupt wherever SIGINT or SIGTERM finds the work in the block, which must be ready for that.

    Gives a function that raises it too, once one of them arrived: Python swallows what is raised while it clears away.
    Outside the main thread, where Python takes no signal handlers, nothing is raised.
    """
    asked = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        raise KeyboardInterrupt

    def go_on() -> None:
        if asked:
            raise KeyboardInterrupt

    with _answered_by(stop):
        yield go_on


@contextmanager
def _answered_by(answer: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """SIGINT and SIGTERM call `answer` inside the block, where they are not ignored."""
    before = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, answer)
    except ValueError:  # not the main thread
        pass
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
