r"""Eq. 1 of My3DGen: how far a render is from its photo, on every level of the pyramid.

    L_rec = sum over levels of  perceptual * d(G, x) + l2 * mean((G - x)^2)

The paper writes a norm; its release computes the mean square, and so does this. Shapes: B batch, R image side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

from corekit.album import resize
from corekit.generator import Render

if TYPE_CHECKING:
    from corekit.bench import Distance


class Loss(NamedTuple):
    """The weighted sum and its two terms, each [B] and summed over the levels."""

    total: Tensor
    l2: Tensor
    perceptual: Tensor


def reconstruction(
    render: Render, photo: Tensor, distance: Distance, *, l2: float = 1.0, perceptual: float = 1.0
) -> Loss:
    """Eq. 1 for photos [B, 3, R, R] in [-1, 1], resized to each level."""
    squares = photo.new_zeros(len(photo))
    apart = photo.new_zeros(len(photo))
    for level in render.pyramid:
        level = level.float()
        target = resize(photo, level.shape[-1])
        squares = squares + (level - target).square().mean((1, 2, 3))
        if perceptual:
            apart = apart + distance(level, target)
    return Loss(l2 * squares + perceptual * apart, squares, apart)
