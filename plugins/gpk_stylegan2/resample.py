r"""Doubling a picture's side, with the FIR filter [1, 3, 3, 1] x [1, 3, 3, 1] against aliasing.

A picture is doubled by inserting zeros, and so is a transposed convolution of stride 2; both then need the low-pass
filter, whose gain of 4 makes up for the inserted zeros (Karras et al., 2019, arXiv 1812.04948, section 2).

Shapes: B batch, C channels, H and W sides.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from gpk.convolution import filtered


def binomial_filter() -> Tensor:
    """The stored filter [4, 4], with sum 1."""
    row = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return torch.outer(row, row) / 64


def doubled(x: Tensor, fir: Tensor) -> Tensor:
    """The picture [B, C, 2H, 2W] of `x` [B, C, H, W]: zeros inserted, padded 2 before and 1 after, filtered."""
    channels = x.shape[1]
    # A transposed convolution inserts the zeros and turns the kernel round; padding 1 there is 2 and 1 here.
    kernel = (fir.flip(0, 1) * 4).to(x.dtype).repeat(channels, 1, 1, 1)
    return F.conv_transpose2d(x, kernel, stride=2, padding=1, groups=channels)


def smoothed(x: Tensor, fir: Tensor) -> Tensor:
    """`x` [B, C, 2H + 1, 2W + 1] filtered over one pixel of zeros on each side: [B, C, 2H, 2W]."""
    return filtered(x, fir * 4, padding=1)
