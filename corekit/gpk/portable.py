r"""Sampling and resizing out of operators that every device has.

Apple's GPU got torch's gradient of `grid_sample` in torch 2.13 and that of antialiased resizing in 2.14; before, the
first step of a job ends in NotImplementedError. Both are linear in the picture, and so can be said in other words:

    sampling    y_p = sum over the four pixels q around p of  (1 - |x_p - x_q|) (1 - |y_p - y_q|) image_q
    resizing    y = V image Hᵀ,   V and H the weights that resizing gives to rows and to columns

The numbers are torch's to rounding, gradients with respect to the places included. Where torch has its own, that is
used.

Shapes: B batch, C channels, H and W sides, R by S places.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SAMPLING: frozenset[str] = frozenset({"mps"} if torch.__version__ < "2.13" else ())
"""Types of device on which this torch has no gradient of `grid_sample`."""
RESIZING: frozenset[str] = frozenset({"mps"} if torch.__version__ < "2.14" else ())
"""Types of device on which this torch has no gradient of antialiased resizing."""


def sampled_at(image: Tensor, places: Tensor) -> Tensor:
    """`image` [B, C, H, W] at `places` [B, R, S, 2], (x, y) from -1 to 1 between its outer edges: [B, C, R, S].

    Bilinear, zero outside; differentiable in both.
    """
    if image.device.type in SAMPLING:
        return _sampled(image, places)
    return F.grid_sample(image, places, mode="bilinear", align_corners=False)


def resized_to(image: Tensor, side: int) -> Tensor:
    """`image` [B, C, H, W] resized to [B, C, side, side]: bilinear, antialiased."""
    if image.device.type in RESIZING:
        return _resized(image, side)
    return F.interpolate(image, (side, side), mode="bilinear", align_corners=False, antialias=True)


def _sampled(image: Tensor, places: Tensor) -> Tensor:
    batch, _, height, width = image.shape
    # Pixel centres are whole numbers.
    x, y = (((places[..., i] + 1) * size - 1) / 2 for i, size in ((0, width), (1, height)))
    left, above = x.detach().floor(), y.detach().floor()
    to_right, to_below = x - left, y - above
    pixels = image.permute(0, 2, 3, 1).flatten(0, 2)  # whole pixels are fetched, all channels at once
    first = torch.arange(batch, device=image.device)[:, None, None] * (height * width)
    total = None
    for row, across in ((above, 1 - to_below), (above + 1, to_below)):
        for column, along in ((left, 1 - to_right), (left + 1, to_right)):
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            index = row.clamp(0, height - 1).long() * width + column.clamp(0, width - 1).long() + first
            share = (across * along * inside)[..., None]
            part = pixels.index_select(0, index.flatten()).unflatten(0, index.shape) * share
            total = part if total is None else total + part
    assert total is not None
    return total.permute(0, 3, 1, 2)


def _resized(image: Tensor, side: int) -> Tensor:
    vertical, horizontal = (_weights(size, side).to(image) for size in image.shape[-2:])
    return vertical @ image @ horizontal.mT


def _weights(before: int, after: int) -> Tensor:
    """What each of `before` pixels in a row gives to each of `after`, [after, before]: the unit matrix, resized."""
    unit = torch.eye(before, device="cpu")[None, None]
    return F.interpolate(unit, (after, before), mode="bilinear", align_corners=False, antialias=True)[0, 0]
