r"""Where a face recogniser's picture lies in an aligned portrait.

FFHQ's portraits (Karras et al., 2017, arXiv 1710.10196, appendix C) are squares set by the eyes' midpoint e, the
mouth's m, the vector x between the eyes and y = e - m:

    centre = e - 0.1 y,      side = max(4 |x|, 3.6 |y|)

EG3D's are the middle 700 of such a square's 1024 pixels (Chan et al., 2022, arXiv 2112.07945). A recogniser sees
pictures with the eyes and the mouth in fixed places. Putting those places through FFHQ's rule tells what part of a
portrait such a picture is: for ArcFace 0.76 of the side of an FFHQ portrait, and a little more than the whole of
EG3D's, of which therefore nothing is cut off. For dlib's it is 0.71, and 1.04 of EG3D's side, which reaches below the
portrait by 0.18 of it; there stands the portrait's mirror image, as it does beyond a photograph's edge.

Shapes: B batch, R side, S side of what is cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import dist
from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from gpk.framing import EG3D_SHARE, Framing

Named = Literal["eg3d", "ffhq"]
NAMED: Mapping[Named, Framing] = {"eg3d": Framing("ffhq", scale=EG3D_SHARE), "ffhq": Framing("ffhq")}
"""Framings that have a name: how much of an FFHQ square's side a portrait shows."""

Pair = tuple[tuple[float, float], tuple[float, float]]
"""A left and a right place, each x and y."""


@dataclass(frozen=True)
class Aligned:
    """What a recogniser's pictures are: where `eyes` and corners of the `mouth` stand in one, in units in which its
    upper left corner is at (`begin`, `begin`) and its side `side`.
    """

    eyes: Pair
    mouth: Pair
    side: float
    begin: float = 0.0


SIDE = 112
"""Of ArcFace's pictures, in pixels (Deng et al., 2018, arXiv 1801.07698, section 3.1)."""
ARCFACE = Aligned(((38.2946, 51.6963), (73.5318, 51.5014)), ((41.5493, 92.3655), (70.7299, 92.2041)), SIDE)
"""In pixels: InsightFace's `face_align` (MIT)."""
DLIB = Aligned(((0.225492, 0.215990), (0.754761, 0.215990)), ((0.254149, 0.780233), (0.726104, 0.780233)), 1.5, -0.25)
"""Of dlib's mean face, with a quarter of its side around it: `get_face_chip_details` in `interpolation.h` (Boost
licence), whose mean places of 51 landmarks give an eye as the mean of six.
"""


@dataclass(frozen=True)
class Window:
    """A square of a picture, in units of the picture's side; it may reach beyond the picture."""

    left: float
    top: float
    side: float

    def cut(self, images: Tensor) -> Tensor:
        """This part of images [B, 3, R, R], to whole pixels: [B, 3, S, S]. Beyond an edge lies the mirror image."""
        whole = images.shape[-1]
        side = max(round(self.side * whole), 1)
        left, top = (round(start * whole) for start in (self.left, self.top))
        beyond = [max(-left, 0), max(left + side - whole, 0), max(-top, 0), max(top + side - whole, 0)]
        inside = images[..., max(top, 0) : top + side, max(left, 0) : left + side]
        return F.pad(inside, beyond, mode="reflect") if any(beyond) else inside


WHOLE = Window(0.0, 0.0, 1.0)
"""Of pictures that are a recogniser's own."""


def window(framing: Framing | Named, aligned: Aligned) -> Window:
    """Where a recogniser's picture lies in a portrait of this framing, which has to be one by eyes and mouth.

    >>> round(window("ffhq", DLIB).side, 3), round(window("eg3d", DLIB).side, 3)
    (0.709, 1.036)
    """
    (e, m) = (tuple((a + b) / 2 for a, b in zip(*pair, strict=True)) for pair in (aligned.eyes, aligned.mouth))
    rule = framing if isinstance(framing, Framing) else NAMED[framing]
    shown = rule.scale * max(4 * dist(*aligned.eyes), 3.6 * dist(e, m))
    left, top = (
        (aligned.begin - a - 0.1 * (b - a)) / shown + 0.5 - moved for a, b, moved in zip(e, m, rule.shift, strict=True)
    )
    return Window(left, top, aligned.side / shown)


def face_window(framing: Framing | Named) -> Window:
    """What ArcFace is to see of a portrait of this framing, as far as the portrait has it.

    >>> face_window("eg3d")
    Window(left=0.0, top=0.0, side=1.0)
    """
    face = window(framing, ARCFACE)
    side = min(face.side, 1.0)
    left, top = (min(max(start, 0.0), 1 - side) for start in (face.left, face.top))
    return Window(left, top, side)
