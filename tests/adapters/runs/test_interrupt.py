"""Signals that stop in the middle of a step, also where Python swallows what they raise."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

import pytest

from gpk_runs.interrupt import asked_to_stop, stopped_at_once

pytestmark = pytest.mark.usefixtures("ctrl_c")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_in_the_middle_of_a_step(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stopped_at_once(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


class ClearsAway:
    """What is interrupted while it is cleared away, where Python swallows it."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        list(range(1000))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_python_swallows_is_raised_at_the_next_step() -> None:
    with stopped_at_once() as go_on:
        go_on()
        ClearsAway()
        with pytest.raises(KeyboardInterrupt):
            go_on()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_ignored_is_ignored_on(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with stopped_at_once() as go_on, asked_to_stop() as asked:
            os.kill(os.getpid(), number)
            go_on()
            assert not asked()
        assert signal.getsignal(number) == signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_in_another_thread_nothing_is_answered() -> None:
    seen: list[FrameType | object] = []

    def work() -> None:
        with stopped_at_once() as go_on:
            go_on()
            seen.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
