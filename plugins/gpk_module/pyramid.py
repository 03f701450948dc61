r"""L1 between the Laplacian pyramids of two pictures: a distance for any domain, without a network.

    Lap1(a, b) = sum_j 2^{2j} |L_j(a) - L_j(b)|_1

(Bojanowski et al., 2018, "Optimizing the latent space of generative networks", arXiv 1707.05776, after Ling and Okada,
2006). L_j is the j-th band: a level less what is left of it after halving and doubling; the last is the coarsest
picture. 2^{2j} makes up for how few pixels a coarse band has: in means over pixels, as here, every band counts alike.

Shapes: B batch, R image side.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gpk.errors import InputError

SMALLEST = 4
"""Side below which a picture is not halved any more."""


@final
class Lap1(nn.Module):
    """The distance, a `gpk.judges.FeatureDistance`."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """How far apart each pair is [B]: two [B, 3, R, R] in [-1, 1]."""
        return self.between(self.features(a), self.features(b))

    def features(self, images: Tensor) -> Sequence[Tensor]:
        """The bands of images [B, 3, R, R], finest first."""
        bands: list[Tensor] = []
        while min(images.shape[-2:]) >= 2 * SMALLEST:
            coarse = F.interpolate(images, scale_factor=0.5, mode="bilinear", antialias=True)
            bands.append(images - F.interpolate(coarse, images.shape[-2:], mode="bilinear"))
            images = coarse
        return [*bands, images]

    def between(self, a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
        """How far apart the bands are [B]."""
        return torch.stack([(x - y).abs().mean((1, 2, 3)) for x, y in zip(a, b, strict=True)]).sum(0)


def load(weights: Path | None) -> Lap1:
    """The distance; raises InputError for a file of weights."""
    if weights is not None:
        raise InputError(f"lap1 has no weights: leave {weights} out")
    return Lap1()
