r"""Where a face recogniser's crop lies in an aligned portrait.

FFHQ's portraits (Karras et al., 2017, arXiv 1710.10196, appendix C) are squares set by the eyes' midpoint e, the
mouth's m, the vector x between the eyes and y = e - m:

    centre = e - 0.1 y,      side = max(4 |x|, 3.6 |y|)

EG3D's are the middle 700 of such a square's 1024 pixels (Chan et al., 2022, arXiv 2112.07945). A recogniser sees
pictures of 112 pixels with the eyes and the mouth in fixed places. Putting those places through FFHQ's rule tells what
part of a portrait such a picture is: 0.76 of the side of an FFHQ portrait, and a little more than the whole of EG3D's,
of which therefore nothing is cut off.

Shapes: B batch, R side, S side of what is cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import dist
from typing import Literal

from torch import Tensor

from gpk.framing import EG3D_SHARE

Framing = Literal["eg3d", "ffhq"]
SHARE: dict[Framing, float] = {"eg3d": EG3D_SHARE, "ffhq": 1.0}
"""The part of an FFHQ square's side that each kind of portrait shows."""

SIDE = 112
"""A recogniser's pictures, in pixels (Deng et al., 2018, arXiv 1801.07698, section 3.1)."""
EYES = ((38.2946, 51.6963), (73.5318, 51.5014))
MOUTH = ((41.5493, 92.3655), (70.7299, 92.2041))
"""Landmarks in these, x and y in pixels: the corners of the mouth (InsightFace's `face_align`, MIT)."""


@dataclass(frozen=True)
class Window:
    """A square of a picture, in units of the picture's side."""

    left: float
    top: float
    side: float

    def cut(self, images: Tensor) -> Tensor:
        """This part of images [B, 3, R, R], to whole pixels: [B, 3, S, S]."""
        whole = images.shape[-1]
        side = max(round(self.side * whole), 1)
        left, top = (min(round(start * whole), whole - side) for start in (self.left, self.top))
        return images[..., top : top + side, left : left + side]


def face_window(framing: Framing) -> Window:
    """What a recogniser is to see of a portrait of this framing, as far as the portrait has it.

    >>> face_window("eg3d")
    Window(left=0.0, top=0.0, side=1.0)
    """
    (e, m) = (tuple((a + b) / 2 for a, b in zip(*pair, strict=True)) for pair in (EYES, MOUTH))
    square = max(4 * dist(*EYES), 3.6 * dist(e, m))
    shown = SHARE[framing] * square
    centre = (a + 0.1 * (b - a) for a, b in zip(e, m, strict=True))
    side = min(SIDE / shown, 1.0)
    left, top = (min(max((shown / 2 - c) / shown, 0.0), 1 - side) for c in centre)
    return Window(left, top, side)
