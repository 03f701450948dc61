r"""A subject as matter in space, for whoever wants its surface and not a view of it.

Light that crosses a length l of matter of density sigma keeps the share exp(-sigma l) of itself: after ln 2 / sigma
half of it is gone. The world is the cameras' (`gpk.camera`): y up, the subject looks to +z.

Shapes: M points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class Matter(NamedTuple):
    """What is at M points: `density` [M] per world unit, at least 0, and `colour` [M, 3] in [-1, 1], from all sides the
    same.
    """

    density: Tensor
    colour: Tensor


@dataclass(frozen=True)
class Solid:
    """One subject: `at` tells what is at world points [M, 3] inside the `box` [2, 3] between its lower and its upper
    corner; outside of it nothing is known.
    """

    at: Callable[[Tensor], Matter]
    box: Tensor

    def cropped(self, side: float) -> Solid:
        """The same matter in the middle of the box, where its edges are no longer than `side` in world units."""
        middle, half = self.box.mean(0), (self.box[1] - self.box[0]).clamp_max(side) / 2
        return Solid(self.at, torch.stack([middle - half, middle + half]))
