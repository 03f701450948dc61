"""Saving the state of long work now and then, and before it is stopped, so that the same command goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from gpk.errors import RecipeError
from gpk.logger import Run
from gpk_runs.interrupt import asked_to_stop
from gpk_tasks.descent import State, Tick
from gpk_tasks.tensors import under

SAVE_EVERY = 20.0  # seconds


@contextmanager
def kept(run: Run, *, besides: Callable[[], Mapping[str, object]] = dict, sound: bool = False) -> Iterator[Tick]:
    """Gives what saves the state in `run` at every SAVE_EVERY seconds; inside the block Ctrl-C and a polite kill are
    answered at the next step, by KeyboardInterrupt with the state saved.

    `besides` gives what else its position holds, in JSON types. Where only `sound` states are kept, one with numbers
    that are not finite raises RecipeError instead (`require_finite`).
    """
    last = time.monotonic()
    with asked_to_stop() as stopping:

        def tick(state: Callable[[], State]) -> None:
            nonlocal last
            stop = stopping()
            if stop or time.monotonic() - last >= SAVE_EVERY:
                tensors, position = state()
                if sound:
                    require_finite(tensors)
                run.save_state(tensors, {**position, **besides()})
                last = time.monotonic()
            if stop:
                raise KeyboardInterrupt(
                    f"the work so far is saved in {run.directory}; the same command goes on from there"
                )

        yield tick


def require_finite(tensors: Mapping[str, Tensor]) -> None:
    """RecipeError where a step has diverged that no later step's loss tells of; nothing of it is kept."""
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise RecipeError(
                f"the descent diverged: {name} has numbers that are not finite. "
                "Try a lower learning rate (lr of tuning or of inversion), and give another --out"
            )


def within(tick: Tick, tensors: Mapping[str, Tensor], **where: object) -> Tick:
    """`tick` for a part of the work: every state also has `tensors`, and `where` (JSON types) in its position."""

    def inner(state: Callable[[], State]) -> None:
        def whole() -> State:
            own, position = state()
            return {**tensors, **own}, {**position, **where}

        tick(whole)

    return inner


class Chain:
    """Pieces of work one after the other, each of which can go on where it stopped: the state has the results of those
    that are done and what the one in the middle needs.
    """

    def __init__(self, start: State | None, tick: Tick) -> None:
        self._tensors, self._position = start or ({}, {"done": []})
        self._tick = tick
        self._results: dict[str, dict[str, Tensor]] = {}
        for name in self._position["done"]:
            self._results[name] = self._own(name)

    def link(self, name: str, work: Callable[[State | None, Tick], dict[str, Tensor]]) -> dict[str, Tensor]:
        """What `work(start, tick)` returns, or has returned before the stop."""
        if name not in self._results:
            begun = self._position.get("at") == name
            kept = {f"{done}/{key}": value for done, result in self._results.items() for key, value in result.items()}

            def inner(state: Callable[[], State]) -> None:
                def whole() -> State:
                    own, where = state()
                    mine = {f"{name}/{key}": value for key, value in own.items()}
                    return {**kept, **mine}, {"done": list(self._results), "at": name, "where": where}

                self._tick(whole)

            self._results[name] = work((self._own(name), self._position["where"]) if begun else None, inner)
        return self._results[name]

    def _own(self, name: str) -> dict[str, Tensor]:
        """The state's tensors of a piece."""
        return under(f"{name}/", self._tensors)
