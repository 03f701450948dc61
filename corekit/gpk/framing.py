r"""How the pictures of a training set were cut from photographs: a generator knows its subjects in that place and size
alone. Light: never imports torch.

FFHQ's rule (Karras et al., 2017, arXiv 1710.10196, appendix C; Karras et al., 2018, arXiv 1812.04948, appendix A) takes
the eyes' midpoint e, the vector a from the left eye to the right one, the vector b from e to the middle of the mouth:

    x = a - rot(b), brought to the length max(2 |a|, 1.8 |b|),      y = rot(x),      rot (u, v) = (-v, u)
    c = e + 0.1 b,      corners  c - x - y,  c - x + y,  c + x + y,  c + x - y

so the picture stands upright on the mean of what eyes and mouth say, and its side is 2 |x|. EG3D's faces are the middle
700 of the 1024 pixels of such a picture (Chan et al., 2022, arXiv 2112.07945); AFHQ's are plain squares around the
head (Choi et al., 2019, arXiv 1912.01865), which is what the other rule cuts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

from gpk.detector import Found, Point

EG3D_SHARE = 700 / 1024
"""The part of an FFHQ picture's side that one of EG3D's shows."""
EYE_TO_MOUTH = 1.155
"""|b| / |a| of a frontal face, for eyes without a mouth: that of the places to which recognisers align faces (Deng et
al., 2018, arXiv 1801.07698; InsightFace's `face_align`, MIT).
"""
EYES_APART, EYES_DOWN = 0.40, 0.40
"""Where a face's eyes are in its box, in sides of it, for a box alone: a rule of thumb, which draughtsmen use too."""


@dataclass(frozen=True)
class Square:
    """A square of a photograph: its middle (x, y) and side in pixels, turned by `roll` degrees, clockwise. `turn` is
    what a detector knows of where the camera stands (`Found.turn`).
    """

    x: float
    y: float
    side: float
    roll: float = 0.0
    turn: tuple[float, float] | None = field(default=None, repr=False)

    @property
    def across(self) -> Point:
        """Half its width, as a vector."""
        turn = math.radians(self.roll)
        return self.side / 2 * math.cos(turn), self.side / 2 * math.sin(turn)

    @property
    def quad(self) -> tuple[Point, Point, Point, Point]:
        """The corners: top left, bottom left, bottom right, top right, as it is seen upright.

        >>> Square(10, 20, 4).quad
        ((8.0, 18.0), (8.0, 22.0), (12.0, 22.0), (12.0, 18.0))
        """
        (u, v), x, y = self.across, self.x, self.y
        return (x - u + v, y - v - u), (x - u - v, y - v + u), (x + u - v, y + v + u), (x + u + v, y + v - u)

    def moved(self, right: float, down: float) -> Square:
        """The square whose middle lies shares of the side to the right and down of it, as it is seen upright.

        >>> Square(10, 20, 4).moved(0.5, 0.25)
        Square(x=12.0, y=21.0, side=4, roll=0.0)
        """
        u, v = (2 * part for part in self.across)
        return replace(self, x=self.x + right * u - down * v, y=self.y + right * v + down * u)


@dataclass(frozen=True)
class Framing:
    """A training set's rule: `square`, on the longer side of the box of what was found, or `ffhq`, by eyes and mouth.

    `scale` is the cut's side in units of what the rule says, and `shift` moves its middle by shares of that side, to
    the right and down as it is seen upright.
    """

    kind: Literal["square", "ffhq"] = "square"
    scale: float = 1.0
    shift: Point = (0.0, 0.0)

    def square(self, found: Found) -> Square:
        """The square of the photograph that the training set would have shown of `found`."""
        ruled = _ffhq(_face(found)) if self.kind == "ffhq" else Square(*found.centre, found.side, found.roll)
        return replace(ruled, side=ruled.side * self.scale, turn=found.turn).moved(*self.shift)


def middle(width: float, height: float) -> Square:
    """The central square of a photograph."""
    return Square(width / 2, height / 2, min(width, height))


def _face(found: Found) -> tuple[Point, Point, Point]:
    """The left eye, the right eye and the middle of the mouth, as far as they are known."""
    if found.landmarks is None:
        down, apart = (found.side * share for share in (EYES_DOWN - 0.5, EYES_APART / 2))
        (x, y), turn = found.centre, math.radians(found.roll)
        x, y, u, v = x - down * math.sin(turn), y + down * math.cos(turn), math.cos(turn), math.sin(turn)
        left, right = (x - apart * u, y - apart * v), (x + apart * u, y + apart * v)
    else:
        left, right = found.landmarks[:2]
        if len(found.landmarks) == 5:
            return left, right, _between(*found.landmarks[3:])
    (x, y), (u, v) = _between(left, right), (right[0] - left[0], right[1] - left[1])
    return left, right, (x - EYE_TO_MOUTH * v, y + EYE_TO_MOUTH * u)


def _ffhq(face: tuple[Point, Point, Point]) -> Square:
    left, right, mouth = face
    ex, ey = _between(left, right)
    ax, ay = right[0] - left[0], right[1] - left[1]
    bx, by = mouth[0] - ex, mouth[1] - ey
    x, y = ax + by, ay - bx  # a - rot(b)
    side = 2 * max(2 * math.hypot(ax, ay), 1.8 * math.hypot(bx, by))
    return Square(ex + 0.1 * bx, ey + 0.1 * by, side, math.degrees(math.atan2(y, x)))


def _between(a: Point, b: Point) -> Point:
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
