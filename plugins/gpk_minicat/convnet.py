"""Small convolutional networks for 64 by 64 pictures, whose stages can be listened to.

`ConvNet` is plain: every stage is one or more 3 x 3 convolutions with ReLUs, and averages halve the side between them.
`ResNet` is another animal on purpose: convolutions of 4 x 4 with stride 2 halve the side, each followed by a residual
block (He et al., 2015, arXiv 1512.03385) with SiLUs.

Batch normalisation (Ioffe and Szegedy, 2015, arXiv 1502.03167) makes both quick to train; afterwards `folded` puts it
into the convolutions, so that a network in use costs no more and what it sees at a place depends on nothing but the
picture around that place.

Shapes: B batch, R image side, C channels of a stage.
"""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from gpk.album import resize

SIDE = 64
Network = TypeVar("Network", bound=nn.Module)


class ConvNet(nn.Module):
    """Pictures [B, 3, R, R] in [-1, 1], of any side, to a list of features [B, C, SIDE / 2^i, SIDE / 2^i]."""

    def __init__(self, widths: tuple[int, ...], *, convolutions: tuple[int, ...], normalised: bool = False) -> None:
        super().__init__()
        self.widths, self.stages = widths, nn.ModuleList()
        channels = 3
        for width, count in zip(widths, convolutions, strict=True):
            layers: list[nn.Module] = []
            for _ in range(count):
                layers += [Convolution(channels, width, 3, normalised=normalised), nn.ReLU()]
                channels = width
            self.stages.append(nn.Sequential(*layers))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Every stage's output, finest first."""
        x = resize(image, SIDE)
        features = []
        for i, stage in enumerate(self.stages):
            x = stage(F.avg_pool2d(x, 2) if i else x)
            features.append(x)
        return features


class ResNet(nn.Module):
    """Pictures [B, 3, R, R] in [-1, 1], of any side, to a list of features [B, C, SIDE / 2^i, SIDE / 2^i]."""

    def __init__(self, widths: tuple[int, ...], *, normalised: bool = False) -> None:
        super().__init__()
        self.widths = widths
        self.down, self.blocks = nn.ModuleList(), nn.ModuleList()
        channels = 3
        for i, width in enumerate(widths):
            self.down.append(Convolution(channels, width, 4 if i else 5, normalised=normalised))
            inner = [Convolution(width, width, 3, normalised=normalised) for _ in range(2)]
            self.blocks.append(nn.Sequential(inner[0], nn.SiLU(), inner[1]) if i else nn.Identity())
            channels = width

    def forward(self, image: Tensor) -> list[Tensor]:
        """Every stage's output, finest first."""
        x = resize(image, SIDE)
        features = []
        for i, (down, block) in enumerate(zip(self.down, self.blocks, strict=True)):
            x = F.silu(down(x))
            x = F.silu(x + block(x)) if i else x
            features.append(x)
        return features


def folded(network: Network) -> Network:
    """A copy of the network, ready for use, whose batch normalisations have become part of the convolutions."""
    network = copy.deepcopy(network).eval()
    for layer in network.modules():
        if isinstance(layer, Convolution) and layer.normal is not None:
            layer.convolution = fuse_conv_bn_eval(layer.convolution, layer.normal)
            layer.normal = None
    return network


class Convolution(nn.Module):
    """A convolution, which halves the side where its kernel is even, and its normalisation, where it has one."""

    def __init__(self, channels: int, width: int, kernel: int, *, normalised: bool, dilation: int = 1) -> None:
        super().__init__()
        stride, padding = 2 if kernel % 2 == 0 else 1, (kernel - 1) // 2 * dilation
        self.convolution = nn.Conv2d(channels, width, kernel, stride=stride, padding=padding, dilation=dilation)
        nn.init.kaiming_normal_(self.convolution.weight, nonlinearity="relu")
        assert self.convolution.bias is not None
        nn.init.zeros_(self.convolution.bias)
        self.normal = nn.BatchNorm2d(width) if normalised else None

    def forward(self, x: Tensor) -> Tensor:
        """What it sees, normalised."""
        x = self.convolution(x)
        return x if self.normal is None else self.normal(x)
