"""The one thread that draws."""

from __future__ import annotations

import threading

import pytest

from gpk_view.painter import Painter


def test_only_the_newest_wish_of_each_is_done_in_turn() -> None:
    done: list[str] = []
    begin, end = threading.Event(), threading.Event()

    def first() -> None:
        assert begin.wait(5)

    with Painter() as painter:
        painter.ask("a", first)
        for number in range(5):
            painter.ask("b", lambda number=number: done.append(f"b{number}"))
            painter.ask("c", lambda number=number: done.append(f"c{number}"))
        painter.ask("d", lambda: done.append("d"))
        painter.forget("d")
        painter.ask("e", end.set)
        begin.set()
        assert end.wait(5)
    assert done == ["b4", "c4"]


def test_long_work_lets_the_others_through() -> None:
    done: list[str] = []
    waiting, over = threading.Event(), threading.Event()

    def long() -> None:
        assert waiting.wait(5)
        painter.let_through()
        done.append("long")
        over.set()

    with Painter() as painter:
        painter.ask("long", long)
        painter.ask("a", lambda: done.append("a"))
        painter.ask("b", lambda: done.append("b"))
        waiting.set()
        assert over.wait(5)
    assert done == ["a", "b", "long"]


def test_the_end_does_not_wait_for_what_waits_nor_for_long_work() -> None:
    done: list[str] = []
    begun = threading.Event()

    def endless() -> None:
        begun.set()
        while True:
            painter.let_through()

    with Painter() as painter:
        painter.ask("a", endless)
        assert begun.wait(5)
    painter.ask("b", lambda: done.append("too late"))
    painter.wait()
    assert done == []
    assert all(thread.name != "gpk-view-painter" for thread in threading.enumerate())


def test_what_fails_unforeseen_ends_it() -> None:
    def fail() -> None:
        raise ZeroDivisionError("by nothing")

    with Painter() as painter:
        painter.ask("a", fail)
        with pytest.raises(ZeroDivisionError, match="by nothing"):
            painter.wait()
