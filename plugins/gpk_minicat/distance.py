"""A perceptual distance that ships with gpk: no download, no foreign licence, one megabyte.

As LPIPS (Zhang et al., 2018, arXiv 1801.03924) compares deep features, each normalised to unit length over its
channels, this compares the features of a network that learned to read a procedural cat's parameters, camera and light
from a picture. That task needs edges, colours, eyes, stripes: it is this distance's ImageNet. Layers are weighted
alike; nobody judged pairs of pictures for it.

    d(a, b) = mean over stages and places of | f(a) / |f(a)| - f(b) / |f(b)| |^2

Shapes: B batch, R image side.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from gpk_minicat.convnet import ConvNet
from gpk_minicat.parameters import NAMES
from gpk_minicat.store import load_tensors

WEIGHTS = Path(__file__).parent / "weights" / "minicat-distance.safetensors"


class Reader(nn.Module):
    """The network before it becomes a distance: pictures [B, 3, R, R] to the parameters' places in their ranges and
    the view, [B, P + 2].
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = ConvNet((16, 32, 64, 96, 128), convolutions=(2, 2, 2, 2, 1), normalised=False)
        self.head = nn.Linear(128 * 16, len(NAMES) + 2)

    def forward(self, image: Tensor) -> Tensor:
        """What the picture shows, each about [-1, 1]."""
        return self.head(self.features(image)[-1].flatten(1))


class Distance(nn.Module):
    """`distance(a, b) -> [B]` of pictures [B, 3, R, R] in [-1, 1]: 0 for equal ones, differentiable; sides other than
    64 are resized.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = Reader().features

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """The distances [B], 0 to 4."""
        return self.between(self.features(a), self.features(b))

    def between(self, a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
        """The distances [B] of what `features` saw in two pictures."""
        pairs = zip(a, b, strict=True)
        return torch.stack([(_unit(x) - _unit(y)).square().sum(1).mean((1, 2)) for x, y in pairs]).mean(0)


def load_distance(weights: Path | None = None) -> Distance:
    """The distance with its trained weights (the bundled ones where None), frozen and ready to use."""
    tensors, _ = load_tensors(WEIGHTS if weights is None else weights)
    distance = Distance()
    distance.load_state_dict({key: value.float() for key, value in tensors.items() if key.startswith("features.")})
    return distance.requires_grad_(False).eval()


def _unit(x: Tensor) -> Tensor:
    # The small number is inside the root: at places where no feature fires the gradient must stay finite.
    return x * torch.rsqrt(x.square().sum(1, keepdim=True) + 1e-4)
