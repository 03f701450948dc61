"""What a detector finds in a photograph: faces and heads, each with its box and what it knows of eyes and mouth. Light:
never imports torch.

Places are in pixels, x to the right and y down, and (0, 0) is the outer corner of the first pixel, so that a picture
reaches from 0 to its width. Left and right are the picture's, not the subject's. Roll is in degrees, positive where a
head leans clockwise as one looks at it.

Shapes: H and W sides, K landmarks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

Point = tuple[float, float]
"""A place or a vector, (x, y)."""


@dataclass(frozen=True)
class Found:
    """A face or head: its box (left, top, right, bottom), which is turned by `roll` around its middle.

    `landmarks` are (x, y) of the left eye and the right eye, and where they are known too of the nose and the left and
    right corner of the mouth: 2 or 5, or None. `score` orders what one detector found; more is surer.
    """

    box: tuple[float, float, float, float]
    score: float = 1.0
    landmarks: tuple[Point, ...] | None = None
    roll: float = 0.0
    turn: tuple[float, float] | None = None

    @property
    def centre(self) -> Point:
        """The middle of the box."""
        left, top, right, bottom = self.box
        return (left + right) / 2, (top + bottom) / 2

    @property
    def side(self) -> float:
        """The longer side of the box."""
        left, top, right, bottom = self.box
        return max(right - left, bottom - top)

    def scaled(self, factor: float) -> Found:
        """The same in a picture that is `factor` times as large."""
        left, top, right, bottom = (place * factor for place in self.box)
        marks = self.landmarks and tuple((x * factor, y * factor) for x, y in self.landmarks)
        return replace(self, box=(left, top, right, bottom), landmarks=marks)


class Detector(Protocol):
    """Finds the faces or heads in one picture."""

    def __call__(self, picture: Tensor, /) -> Sequence[Found]:
        """What is in a picture [3, H, W] in [-1, 1], the surest first; empty where there is nothing."""
        ...
