r"""What moves in a moving picture, as closed loops whose last frame leads into the first: the camera, and the code.

The camera's loops are yaw = A sin t, pitch = -B cos t. A code goes through its anchors in turn and back to the first,

    w(t) = (1 - s) w_i + s w_i+1,   s = t^3 (10 - 15 t + 6 t^2)   (Perlin, 2002, "Improving noise")

so that it is at rest at every anchor, its acceleration too: there it neither jumps nor jerks. Weights are positive and
sum to 1, and so the path never leaves the anchors' hull, as a spline through them would.

Shapes: F frames, M anchors, R image side.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain

import torch
from torch import Tensor


def turntable(frames: int, *, turn: float, nod: float) -> Tensor:
    """Yaws and pitches [2, F] of a closed loop, `turn` and `nod` radians at most off the front, each place once."""
    phase = 2 * torch.pi * torch.arange(frames) / max(1, frames)
    return torch.stack([turn * phase.sin(), -nod * phase.cos()])


def through(anchors: int, frames: int) -> Tensor:
    """The weights [M·F, M] of so many anchors on a closed loop through them in order, `frames` from one to the next."""
    t = torch.arange(frames) / frames
    share = (t**3 * (10 - 15 * t + 6 * t**2))[:, None]
    here = torch.eye(anchors)
    return torch.cat([(1 - share) * here[i] + share * here[(i + 1) % anchors] for i in range(anchors)])


def figures_of_loop(frames: Iterable[Tensor]) -> Mapping[str, float]:
    """How a closed loop of at least two frames [3, R, R] in [-1, 1] moves, of which four at a time are held.

    `change` is the mean absolute difference of a frame from the one before, of 1 between black and white, `largest
    change` the largest of them, and `seam` that of the first frame from the last. `flicker` is what does not go on as
    it came, |f(t-1) - 2 f(t) + f(t+1)| / 2: steady motion cancels, the better the slower it is, and what comes and goes
    does not.
    """
    whole = iter(frames)
    first, second = before, frame = next(whole), next(whole)
    changes: list[float] = []
    flickers: list[float] = []
    for after in chain(whole, (first, second)):
        changes.append((after - frame).abs().mean().item() / 2)
        flickers.append((before - 2 * frame + after).abs().mean().item() / 2)
        before, frame = frame, after
    mean = {"change": sum(changes) / len(changes), "flicker": sum(flickers) / len(flickers)}
    largest = {"largest change": max(changes), "seam": changes[-2], "largest flicker": max(flickers)}
    return {name: (mean | largest)[name] for name in ("change", "largest change", "seam", "flicker", "largest flicker")}
