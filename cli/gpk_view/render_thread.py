"""The one thread that works with the generator, for every browser: the newest wish of each, in turn.

Nobody's wishes queue up: a new one takes the place, and the turn, of the one that still waits. Long work lets the
others through now and then (`let_through`). Jobs tell of their errors themselves; one
that does not ends the viewer: `wait` raises it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from types import TracebackType

Job = Callable[[], None]


class RenderThread:
    """A thread from the `with` block's beginning to its end."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, Job] = {}
        self._news = threading.Condition()
        self._ended = False
        self._failure: BaseException | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="gpk-view-render")

    def __enter__(self) -> RenderThread:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._news:
            self._ended = True
            self._waiting.clear()
            self._news.notify()
        self._thread.join()

    def ask(self, whose: Hashable, job: Job) -> None:
        """Has `job` done when it is `whose` turn, instead of the one that waits, if one does."""
        with self._news:
            if not self._ended:
                self._waiting[whose] = job
                self._news.notify()

    def forget(self, whose: Hashable) -> None:
        """Gives up what waits."""
        with self._news:
            self._waiting.pop(whose, None)

    def let_through(self) -> None:
        """In the middle of a job: does what waits by now, once for each; raises InterruptedError at the end."""
        for whose in list(self._waiting):
            job = self._next(whose)
            if job is not None:
                job()
        if self._ended:
            raise InterruptedError

    def wait(self) -> None:
        """Returns when the thread is told to stop; raises what failed in a job."""
        while not self._over.wait(0.5):  # with a timeout, so that Ctrl-C is heard on Windows too
            pass
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        try:
            while True:
                with self._news:
                    self._news.wait_for(lambda: self._waiting or self._ended)
                    if self._ended:
                        break
                    job = self._waiting.pop(next(iter(self._waiting)))
                job()
        except InterruptedError:
            pass
        except BaseException as failure:  # for the thread that waits
            self._failure = failure
        finally:
            self._over.set()

    def _next(self, whose: Hashable) -> Job | None:
        with self._news:
            return self._waiting.pop(whose, None)
