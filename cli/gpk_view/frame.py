"""Pictures in the browser's window: side by side, square, never stretched, on a calm ground.

The browser stretches a background image over its window; so the frame has the window's shape, with the pictures in it.

Shapes: P pictures, R image side, H and W height and width of the frame.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from gpk_tasks.shots import as_bytes

GROUND = (242, 241, 238)
"""The colour around the pictures."""
MARGIN = 0.03
"""Around the pictures and between them, in shares of the window's shorter side."""
UNCOVERED = 0.4
"""Of an upright window's height, what viser's panel leaves free on a phone."""
MOST = 720
"""Pixels of a picture's side beyond which it is left to the browser to enlarge it, unless the generator makes more."""
LONGEST = 8192
"""Pixels of a frame's longer side; a window that is wider still, or higher, has its frame enlarged."""


def frame(pictures: Tensor, width: int, height: int, *, zoom: float = 1.0) -> Tensor:
    """The frame [H, W, 3] in bytes for a window of `width` by `height` pixels: pictures [P, 3, R, R] in [-1, 1] in a
    row, of each the middle 1/`zoom`. In an upright window they stand at the top, for the panel covers a phone's bottom.
    """
    count = len(pictures)
    margin = MARGIN * min(width, height)
    room = height if width >= height else UNCOVERED * height
    side = max(1, min((width - margin * (count + 1)) / count, room - 2 * margin))
    scale = min(1.0, max(MOST, pictures.shape[-1]) / side, LONGEST / max(width, height))
    pixels = max(1, round(side * scale))
    wide, high, gap = round(width * scale), round(height * scale), round(margin * scale)
    wide, high = max(wide, count * pixels), max(high, pixels)
    ground = torch.tensor(GROUND, dtype=torch.uint8).expand(high, wide, 3).clone()
    top = min(gap, high - pixels) if height > width else (high - pixels) // 2
    left = (wide - count * pixels - (count - 1) * gap) // 2
    for picture in as_bytes(enlarged(cropped(pictures, zoom), pixels), pixels).permute(0, 2, 3, 1):
        ground[top : top + pixels, left : left + pixels] = picture
        left += pixels + gap
    return ground


def cropped(pictures: Tensor, zoom: float) -> Tensor:
    """The middle [P, 3, r, r] of pictures [P, 3, R, R], r = R / zoom."""
    side = pictures.shape[-1]
    kept = max(1, round(side / zoom))
    begin = (side - kept) // 2
    return pictures[..., begin : begin + kept, begin : begin + kept]


def enlarged(pictures: Tensor, side: int) -> Tensor:
    """Pictures [P, 3, side, side]: bicubic, and so without the squares of single pixels."""
    return F.interpolate(pictures, (side, side), mode="bicubic", antialias=True)
