"""What tells pictures of birds apart: a distance, a judge and attributes, all of them formulas.

Shapes: B batch, R image side, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def birdness(images: Tensor) -> Tensor:
    """How much each pixel is lit beyond the dark ground, [B, 1, R, R] in [0, 1]."""
    return ((images.amax(1, keepdim=True) + 1) / 2 - 0.15).clamp(0, 1)


@final
class Edges(nn.Module):
    """Mean absolute differences of colours and of their steps from pixel to pixel, at three sizes.

    The weight makes two birds at random about 1 apart.
    """

    WEIGHT = 4.0

    def features(self, images: Tensor) -> Sequence[Tensor]:
        """Colours and steps of pictures [B, 3, R, R]."""
        seen: list[Tensor] = []
        for size in (1, 2, 4):
            small = F.avg_pool2d(images, min(size, images.shape[-1] - 1))
            seen += [small, 2 * small.diff(dim=2), 2 * small.diff(dim=3)]
        return seen

    def between(self, a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
        """How far apart what was seen is [B]."""
        return torch.stack([(x - y).abs().flatten(1).mean(1) for x, y in zip(a, b, strict=True)]).mean(0) * self.WEIGHT

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Two [B, 3, R, R] → [B]."""
        return self.between(self.features(a), self.features(b))


@final
class Palette(nn.Module):
    """Which hues a picture has, and how much of each: the root of a soft histogram of chromaticity, [B, 145]."""

    def forward(self, images: Tensor) -> Tensor:
        """Unit features [B, F] of pictures [B, 3, R, R]; their cosine is Bhattacharyya's coefficient."""
        light = (images + 1) / 2 + 0.02
        shares = (light / light.sum(1, keepdim=True))[:, :2].flatten(2)  # [B, 2, R*R]: of red, of green
        grid = torch.linspace(0, 0.8, 12, device=images.device, dtype=images.dtype)
        near = (-((shares[..., None] - grid) / 0.05).square() / 2).exp()  # [B, 2, R*R, 12]
        amount = birdness(images).flatten(1)
        histogram = torch.einsum("bpi,bpj,bp->bij", near[:, 0], near[:, 1], amount).flatten(1)
        share = histogram / (histogram.sum(1, keepdim=True) + 1e-3)
        return F.normalize(F.pad((share + 1e-6).sqrt(), (0, 1), value=1e-3), dim=1)


@final
class Looks(nn.Module):
    """What a picture shows in numbers."""

    names: tuple[str, ...] = ("size", "red", "green", "blue")

    def forward(self, images: Tensor) -> Tensor:
        """The share of the picture that is bird, and the bird's mean colour: [B, 4]."""
        there = (birdness(images) * 20).clamp(max=1)
        colour = ((images + 1) / 2 * there).sum((2, 3)) / (there.sum((2, 3)) + 1e-3)
        return torch.cat([there.mean((2, 3)), colour], 1)
