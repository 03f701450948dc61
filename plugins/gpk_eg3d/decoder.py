r"""The decoder: a small network from a point's features to its colour features and density.

Shapes: B batch, C channels, F colour features, * any points.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gpk_stylegan2.layers import FullyConnected


class Decoder(nn.Module):
    """Features [B, C, *] to colours [B, F, *], a little more than [0, 1], and raw density [B, *].

    Channels come first, as the planes' sampling leaves them: no transposition of half a million points.
    """

    def __init__(self, channels: int, hidden: int, features: int, *, lr_multiplier: float = 1.0) -> None:
        super().__init__()
        self.net = nn.Sequential(
            FullyConnected(channels, hidden, lr_multiplier=lr_multiplier),
            nn.Softplus(),
            FullyConnected(hidden, 1 + features, lr_multiplier=lr_multiplier),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Colours and density at each of `x`."""
        hidden = F.softplus(_connected(cast(FullyConnected, self.net[0]), x.flatten(2)))
        out = _connected(cast(FullyConnected, self.net[2]), hidden).unflatten(2, x.shape[2:])
        # Slightly beyond [0, 1], so that the sigmoid need not saturate (Barron et al., 2021, arXiv 2103.13415).
        return torch.sigmoid(out[:, 1:]) * (1 + 2 * 0.001) - 0.001, out[:, 0]


def _connected(layer: FullyConnected, x: Tensor) -> Tensor:
    weight, bias = layer.weight * layer.weight_gain, layer.bias * layer.bias_gain
    return torch.baddbmm(bias[None, :, None], weight.expand(x.shape[0], -1, -1), x)
