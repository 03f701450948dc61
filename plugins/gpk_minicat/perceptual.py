"""The perceptual distance that reports: `minicat-perceptual`, the formula of `distance` with another network under it.

What a persona was optimised under must not be what judges it. This network has another architecture (`ResNet`), other
widths, another seed, and saw other individuals and other pictures of the prior; its weights were fitted to judgements
about those. It must never be part of a loss.
"""

from __future__ import annotations

from pathlib import Path

from gpk_minicat.convnet import ResNet
from gpk_minicat.distance import Distance, filled

WEIGHTS = Path(__file__).parent / "weights" / "minicat-perceptual.safetensors"


def network(*, normalised: bool = False) -> ResNet:
    """The network under `minicat-perceptual`, untrained."""
    return ResNet((20, 36, 56, 80, 96), normalised=normalised)


def load_perceptual(weights: Path | None = None) -> Distance:
    """The distance with its trained weights (the bundled ones where None), frozen and ready to use."""
    return filled(Distance(network()), WEIGHTS if weights is None else weights)
