r"""A square of a photograph as one picture, upright, with a mask of what in it is real.

Every pixel comes from the photograph's own by one interpolation: the places of a grid k times as fine are looked up
bicubically and brought together by Lanczos, k the pixels of the photograph to one of the picture, so that nothing is
aliased. Beyond the photograph's edge lies its mirror image, which the mask tells from the real.

Shapes: R side of the picture.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gpk.framing import Square
from gpk_photos.decode import tensor

MARGIN = 3
"""Pixels around a square that its interpolation may look at."""
FINEST = 3
"""Above so many pixels of the photograph to one of the picture, whole blocks of them are averaged first."""


class Crop(NamedTuple):
    """`picture` [3, R, R] in [-1, 1], and `mask` [1, R, R] in [0, 1], the share of each pixel that is real."""

    picture: Tensor
    mask: Tensor


def cropped(image: Image.Image, square: Square, side: int) -> Crop:
    """This square of an RGB photograph at this side; for what a detector found, `framing.square(found)` says which."""
    block = max(1, int(square.side / side / FINEST))
    fine = side * max(1, math.ceil(square.side / side / block - 1e-6))
    across, down = zip(*square.quad, strict=True)
    left, top, right, bottom = (
        *(math.floor(min(places)) - MARGIN * block for places in (across, down)),
        *(math.ceil(max(places)) + MARGIN * block for places in (across, down)),
    )
    columns, rows = (np.arange(a, b + (a - b) % block) for a, b in ((left, right), (top, bottom)))
    width, height = image.size
    pixels = np.asarray(image)[_mirrored(rows, height)[:, None], _mirrored(columns, width)]
    (x, y), (u, v) = square.quad[0], (2 * part / fine / block for part in square.across)
    places = (u, -v, (x - left) / block, v, u, (y - top) / block)

    def resampled(region: np.ndarray, look: Image.Resampling, gather: Image.Resampling) -> Image.Image:
        grid = Image.fromarray(region).reduce(block).transform((fine, fine), Image.Transform.AFFINE, places, look)
        return grid.resize((side, side), gather)

    picture = tensor(resampled(pixels, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS))
    if min(across) >= 0 and min(down) >= 0 and max(across) <= width and max(down) <= height:
        return Crop(picture, torch.ones(1, side, side))
    real = _inside(rows, height)[:, None] & _inside(columns, width)
    share = resampled(np.where(real, 255, 0).astype(np.uint8), Image.Resampling.BILINEAR, Image.Resampling.BOX)
    return Crop(picture, torch.from_numpy(np.array(share))[None].float() / 255)


def _mirrored(places: np.ndarray, size: int) -> np.ndarray:
    """The pixels of a row of `size` that are seen at any whole places, where mirrors stand at both its ends."""
    places = places % (2 * size)
    return np.where(places < size, places, 2 * size - 1 - places)


def _inside(places: np.ndarray, size: int) -> np.ndarray:
    return (places >= 0) & (places < size)
