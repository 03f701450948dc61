"""The one thread that draws."""

from __future__ import annotations

import threading

import pytest

from gpk_view.render_thread import RenderThread


def test_only_the_newest_wish_of_each_is_done_in_turn() -> None:
    done: list[str] = []
    begin, end = threading.Event(), threading.Event()

    def first() -> None:
        assert begin.wait(5)

    with RenderThread() as render_thread:
        render_thread.ask("a", first)
        for number in range(5):
            render_thread.ask("b", lambda number=number: done.append(f"b{number}"))
            render_thread.ask("c", lambda number=number: done.append(f"c{number}"))
        render_thread.ask("d", lambda: done.append("d"))
        render_thread.forget("d")
        render_thread.ask("e", end.set)
        begin.set()
        assert end.wait(5)
    assert done == ["b4", "c4"]


def test_long_work_lets_the_others_through() -> None:
    done: list[str] = []
    waiting, over = threading.Event(), threading.Event()

    def long() -> None:
        assert waiting.wait(5)
        render_thread.let_through()
        done.append("long")
        over.set()

    with RenderThread() as render_thread:
        render_thread.ask("long", long)
        render_thread.ask("a", lambda: done.append("a"))
        render_thread.ask("b", lambda: done.append("b"))
        waiting.set()
        assert over.wait(5)
    assert done == ["a", "b", "long"]


def test_the_end_does_not_wait_for_what_waits_nor_for_long_work() -> None:
    done: list[str] = []
    begun = threading.Event()

    def endless() -> None:
        begun.set()
        while True:
            render_thread.let_through()

    with RenderThread() as render_thread:
        render_thread.ask("a", endless)
        assert begun.wait(5)
    render_thread.ask("b", lambda: done.append("too late"))
    render_thread.wait()
    assert done == []
    assert all(thread.name != "gpk-view-render" for thread in threading.enumerate())


def test_what_fails_unforeseen_ends_it() -> None:
    def fail() -> None:
        raise ZeroDivisionError("by nothing")

    with RenderThread() as render_thread:
        render_thread.ask("a", fail)
        with pytest.raises(ZeroDivisionError, match="by nothing"):
            render_thread.wait()
