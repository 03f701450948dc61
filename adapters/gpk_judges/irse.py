"""IR-SE50, the residual network that ArcFace's published weights of faces are of.

24 units of two 3×3 convolutions, normalisation before and after, PReLU between (Deng et al., 2018, arXiv 1801.07698,
section 3.1: "IR"), each scaled channel by channel by what the whole picture says of it (Hu et al., 2017,
arXiv 1709.01507: "SE"). Names in the state dict are those of the published `model_ir_se50.pth`
(https://github.com/TreB1eN/InsightFace_Pytorch, MIT).

Shapes: B batch, C channels, h and w sides.
"""

from __future__ import annotations

from torch import Tensor, nn

UNITS = ((64, 3), (128, 4), (256, 14), (512, 3))
"""Width and number of units; the first of each halves the sides."""
REDUCTION = 16
"""How many times fewer channels a squeeze has inside: Hu et al.'s r."""
FEATURES = 512
"""Numbers that a face becomes."""
GRID = 7
"""Sides of the last activations: 112 halved four times."""


class Squeeze(nn.Module):
    """Scales each channel by a number in (0, 1) that depends on all channels' means."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(width, width // REDUCTION, 1, bias=False)
        self.fc2 = nn.Conv2d(width // REDUCTION, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, h, w] → the same."""
        return x * self.fc2(self.fc1(x.mean((2, 3), keepdim=True)).relu()).sigmoid()


class Unit(nn.Module):
    """One residual unit, which may change the width and divide the sides by `stride`."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.shortcut_layer = None
        if before != width:
            self.shortcut_layer = nn.Sequential(nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width))
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(before),
            nn.Conv2d(before, width, 3, padding=1, bias=False),
            nn.PReLU(width),
            nn.Conv2d(width, width, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            Squeeze(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, h, w] → [B, width, h / stride, w / stride]."""
        passed = x[..., :: self.stride, :: self.stride] if self.shortcut_layer is None else self.shortcut_layer(x)
        return passed + self.res_layer(x)


class IRSE50(nn.Module):
    """Faces [B, 3, 112, 112] in [-1, 1] → features [B, 512], not normalised."""

    def __init__(self) -> None:
        super().__init__()
        first = UNITS[0][0]
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, first, 3, padding=1, bias=False), nn.BatchNorm2d(first), nn.PReLU(first)
        )
        units, before = [], first
        for width, count in UNITS:
            for index in range(count):
                units.append(Unit(before, width, stride=1 if index else 2))
                before = width
        self.body = nn.Sequential(*units)
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(before),
            nn.Dropout(),  # of no effect in evaluation: it keeps the numbers in the published names
            nn.Flatten(),
            nn.Linear(before * GRID**2, FEATURES),
            nn.BatchNorm1d(FEATURES),
        )

    def forward(self, faces: Tensor) -> Tensor:
        """What is seen in the faces."""
        return self.output_layer(self.body(self.input_layer(faces)))
