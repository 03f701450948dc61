"""The shots of a long sequence, taken one after the other and kept in the run's state, so that it goes on where it was
stopped.

Pictures are kept as bytes and no larger than they are shown: the sheets and frames of them are the same, whether the
run was stopped or not.

Shapes: n rows of a shot, or of all, F frames, R image side.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from gpk.album import resize
from gpk.errors import RunError
from gpk.pixels import to_bytes
from gpk_tasks.descent import State


class Shots:
    """What has been shown of `w` so far: `done` shots, and of each the rows that were added, by name.

    `start` is a state to go on from. Raises RunError where that one is of other codes.
    """

    def __init__(self, w: Tensor, start: State | None) -> None:
        tensors, position = start or ({"w": w.cpu()}, {"done": 0})
        if not torch.equal(tensors["w"], w.cpu()):
            raise RunError("the codes have changed since this run began: give another --out")
        self.done = int(position["done"])
        self._w = w
        self._rows = {name: list(rows) for name, rows in tensors.items() if name != "w"}

    def add(self, **rows: Tensor) -> None:
        """Another shot, and rows [n, …] of it by name; any number of them, none too."""
        for name, more in rows.items():
            self._rows.setdefault(name, []).extend(more.detach().cpu())
        self.done += 1

    def rows(self, name: str) -> Tensor:
        """All rows of that name [n, …]; raises KeyError where none was added."""
        return torch.stack(self._rows[name])

    def state(self) -> State:
        """Everything, to go on from."""
        rows = {name: torch.stack(rows) for name, rows in self._rows.items()}
        return {"w": self._w, **rows}, {"done": self.done}


def as_bytes(images: Tensor, side: int) -> Tensor:
    """Images [n, 3, R, R] in [-1, 1] as 8-bit numbers, shrunk to `side` where they are larger."""
    small = resize(images, side) if images.shape[-1] > side else images
    return to_bytes(small)


def changes(frames: Tensor) -> Tensor:
    """How much each frame [F, 3, R, R] in [-1, 1] of a closed loop differs from the one before: [F], the mean absolute
    difference, of 1 between black and white.
    """
    return (frames - frames.roll(1, 0)).abs().mean((1, 2, 3)) / 2


def figures_of_motion(frames: Tensor) -> Mapping[str, float]:
    """The mean and the largest change of a closed loop: about equal where nothing jumps."""
    change = changes(frames)
    return {"change": change.mean().item(), "largest change": change.max().item()}
