r"""The tri-plane field's features: a world point is projected on each plane, and the planes' features are averaged.

The box of side box_warp around the origin maps to [-1, 1]; outside of it the planes are zero (Chan et al., 2022,
arXiv 2112.07945, section 3.2).

Shapes: B batch, P planes, C channels per plane, H and W sides of a plane, R rays, S samples along a ray.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gpk.portable import sampled_at
from gpk_eg3d.config import PlaneAxes


def sampled(planes: Tensor, points: Tensor, *, axes: Sequence[PlaneAxes], box_warp: float) -> Tensor:
    """Features [B, C, R, S] of `planes` [B, P, C, H, W] at world `points` [B, R, S, 3].

    The first of a plane's `axes` runs along its width, the second along its height; `box_warp` is the box's side
    in world units.
    """
    batch, count = planes.shape[:2]
    along = dict(zip("xyz", (points * (2 / box_warp)).unbind(-1), strict=True))
    grid = torch.stack([torch.stack([along[first], along[second]], -1) for first, second in axes], 1)
    features = sampled_at(planes.flatten(0, 1), grid.flatten(0, 1))
    return features.unflatten(0, (batch, count)).mean(1)
