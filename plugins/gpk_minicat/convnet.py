"""A small convolutional network for 64 by 64 pictures, whose stages can be listened to.

Every stage is one or two 3 x 3 convolutions, each followed by a group normalisation where asked for and a ReLU, and
halves the side.

Shapes: B batch, R image side, C channels of a stage.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from corekit.album import resize

SIDE = 64


class ConvNet(nn.Module):
    """Pictures [B, 3, R, R] in [-1, 1], of any side, to a list of features [B, C, SIDE / 2^i, SIDE / 2^i]."""

    def __init__(self, widths: tuple[int, ...], *, convolutions: tuple[int, ...], normalised: bool) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        channels = 3
        for width, count in zip(widths, convolutions, strict=True):
            layers: list[nn.Module] = []
            for _ in range(count):
                convolution = nn.Conv2d(channels, width, 3, padding=1)
                nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
                nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
                layers += [convolution, nn.GroupNorm(8, width)] if normalised else [convolution]
                layers.append(nn.ReLU())
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
