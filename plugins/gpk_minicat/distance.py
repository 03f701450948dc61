"""A perceptual distance that ships with gpk: no download, no foreign licence, half a megabyte.

As LPIPS (Zhang et al., 2018, arXiv 1801.03924) compares deep features, each normalised to unit length over its
channels and weighed channel by channel, this compares the features of a network that learned to read a procedural
cat's parameters, camera, light and eyes from a picture. That task needs edges, colours, eyes, stripes: it is this
distance's ImageNet. LPIPS' weights come from people's judgements of pairs; these, from pairs whose order is known
because gpk drew them (`gpk_prior.judgements`): nobody's eyes were asked.

    d(a, b) = sum over stages s and channels c of w_sc mean over places of (f_sc(a) / |f_s(a)| - f_sc(b) / |f_s(b)|)^2

`Distance` is the formula and `minicat-distance` the network that personalization minimises; what reports, so that no
network judges its own work, is `perceptual`.

Shapes: B batch, R image side, C channels of all stages together.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from gpk_minicat.convnet import ConvNet, ResNet
from gpk_minicat.store import load_tensors

WEIGHTS = Path(__file__).parent / "weights" / "minicat-distance.safetensors"


class Distance(nn.Module):
    """`distance(a, b) -> [B]` of pictures [B, 3, R, R] in [-1, 1]: 0 for equal ones, differentiable; sides other than
    64 are resized.
    """

    def __init__(self, features: ConvNet | ResNet) -> None:
        super().__init__()
        self.features = features
        even = [torch.full((width,), 1 / len(features.widths)) for width in features.widths]
        self.weights = nn.Parameter(torch.cat(even), requires_grad=False)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """The distances [B]."""
        return self.between(self.features(a), self.features(b))

    def between(self, a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
        """The distances [B] of what `features` saw in two pictures."""
        return differences(a, b) @ self.weights


def differences(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    """The mean squared differences [B, C] of every channel of features [B, C_s, R_s, R_s], scaled to unit length at
    every place.
    """
    return torch.cat([(_unit(x) - _unit(y)).square().mean((2, 3)) for x, y in zip(a, b, strict=True)], 1)


def network(*, normalised: bool = False) -> ConvNet:
    """The network under `minicat-distance`, untrained."""
    return ConvNet((16, 32, 64, 96, 128), convolutions=(2, 2, 2, 2, 2), normalised=normalised)


def load_distance(weights: Path | None = None) -> Distance:
    """The distance with its trained weights (the bundled ones where None), frozen and ready to use."""
    return filled(Distance(network()), WEIGHTS if weights is None else weights)


def filled(distance: Distance, weights: Path) -> Distance:
    """The distance with the tensors of a weights file, frozen; raises WeightsError where there is no such file."""
    tensors, _ = load_tensors(weights)
    distance.load_state_dict({key: value.float() for key, value in tensors.items()})
    return distance.requires_grad_(False).eval()


def _unit(x: Tensor) -> Tensor:
    # The small number is inside the root: at places where no feature fires the gradient must stay finite.
    return x * torch.rsqrt(x.square().sum(1, keepdim=True) + 1e-4)
