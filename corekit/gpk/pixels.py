"""Pictures as bytes: what a number in [-1, 1] is in a file, and back."""

from __future__ import annotations

import torch
from torch import Tensor


def to_bytes(images: Tensor) -> Tensor:
    """Images of any shape in [-1, 1] as 8-bit numbers of the same shape; beyond is clipped, NaN is middle grey."""
    return images.detach().float().nan_to_num().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)


def from_bytes(images: Tensor) -> Tensor:
    """The images in [-1, 1] that 8-bit numbers stand for.

    >>> to_bytes(from_bytes(torch.tensor([0, 128, 255], dtype=torch.uint8))).tolist()
    [0, 128, 255]
    """
    return images.float() / 127.5 - 1
