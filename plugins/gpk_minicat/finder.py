r"""A detector of procedural cats: where in a photograph is a head, how large, and how much does it lean?

A small fully convolutional network says of every cell of 8 x 8 pixels whether the middle of a head is there (a heat
map, as in CenterNet: Zhou et al., 2019, arXiv 1904.07850) and, as if it were, where exactly, the logarithm of the side
of its square, and its roll. The square is that of the prior's own pictures, so that what is cut out by it is framed as
they are.

Photographs are looked at from two distances, since heads may fill them or be small. Then each head is cut out, upright
and in the size that the network knows best, and looked at again, which corrects what was said of it; three times.

Shapes: B batch, H and W sides of a picture, h = H / 8 and w = W / 8 cells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gpk.detector import Found
from gpk.framing import Square
from gpk_minicat.convnet import Convolution
from gpk_minicat.store import load_tensors

WEIGHTS = Path(__file__).parent / "weights" / "minicat-finder.safetensors"
CELL = 8
SIDE = 96
"""Side of the pictures that it is trained on, and of those in which it looks closer."""
KNOWN = SIDE / 2
"""Side of a head's square of which the network's logarithm is 0: the size that it knows best."""
LEAN = 30.0
"""Degrees of roll that the network calls 1."""
DISTANCES = (SIDE, 2 * SIDE)
"""Longer sides at which a photograph is looked at."""
LIKELY, SURE = 0.1, 0.35
"""Heats from which a place is looked at closer, and from which it is a head."""
CLOSER = 3
MOST = 8
"""Heads in a photograph."""


class Readings(NamedTuple):
    """Of every cell: `heat` [B, h, w], the logit of a head's middle being there; the middle (`x`, `y`) in pixels of the
    picture, the square's `side` in pixels and its `roll` in degrees, [B, h, w] each.
    """

    heat: Tensor
    x: Tensor
    y: Tensor
    side: Tensor
    roll: Tensor


class Finder(nn.Module):
    """Pictures [B, 3, H, W] in [-1, 1], of sides that are multiples of CELL, to `Readings`."""

    def __init__(self, *, normalised: bool = False) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width, kernel, dilation in (
            *((16, 4, 1), (24, 4, 1), (40, 4, 1)),
            *((40, 3, 1), (40, 3, 2), (40, 3, 4), (40, 3, 1)),
        ):
            layers += [Convolution(channels, width, kernel, normalised=normalised, dilation=dilation), nn.ReLU()]
            channels = width
        self.features = nn.Sequential(*layers)
        self.head = nn.Conv2d(channels, 5, 1)
        nn.init.constant_(self.head.bias[0], -4.0)  # pyright: ignore[reportOptionalSubscript]

    def forward(self, image: Tensor) -> Readings:
        """What every cell says."""
        return self.said(self.features(image))

    def said(self, features: Tensor) -> Readings:
        """What every cell says of its features [B, C, h, w]."""
        heat, x, y, size, roll = self.head(features).unbind(1)
        across, down = (torch.arange(cells, device=features.device) + 0.5 for cells in (heat.shape[2], heat.shape[1]))
        return Readings(
            heat, CELL * (across + x), CELL * (down[:, None] + y), KNOWN * size.clamp(-4, 4).exp(), LEAN * roll
        )


class MinicatFinder(nn.Module):
    """The detector: a picture to the heads in it (`gpk.detector.Detector`); boxes are the prior's own squares."""

    def __init__(self, network: Finder) -> None:
        super().__init__()
        self.network = network

    @torch.no_grad()
    def forward(self, picture: Tensor) -> tuple[Found, ...]:
        """The heads in a picture [3, H, W] in [-1, 1], the surest first."""
        found = [Found(_box(square), score, roll=square.roll) for square, score in self._heads(picture[None].float())]
        return tuple(sorted(found, key=lambda head: -head.score))

    def _heads(self, picture: Tensor) -> Sequence[tuple[Square, float]]:
        height, width = picture.shape[-2:]
        places = [place for distance in DISTANCES for place in self._glance(picture, distance)]
        heads: list[tuple[Square, float]] = []
        for square, _ in sorted(places, key=lambda place: -place[1])[: 2 * MOST]:
            if any(_same(square, other) for other, _ in heads):
                continue
            score = 0.0
            for _ in range(CLOSER):
                square, score = self._closer(picture, square)
            inside = 0 <= square.x < width and 0 <= square.y < height
            if score >= SURE and inside and not any(_same(square, other) for other, _ in heads):
                heads.append((square, score))
        return heads[:MOST]

    def _glance(self, picture: Tensor, distance: int) -> list[tuple[Square, float]]:
        """Likely heads in the picture seen at a longer side of `distance` pixels."""
        height, width = picture.shape[-2:]
        scale = distance / max(height, width)
        sides = [max(1, round(side * scale)) for side in (height, width)]
        small = F.interpolate(picture, sides, mode="bilinear", align_corners=False, antialias=True)
        gaps = [-side % CELL for side in sides]
        said = self.network(F.pad(small, (0, gaps[1], 0, gaps[0]), mode="replicate"))
        heat = said.heat[0].sigmoid()
        peak = (heat == F.max_pool2d(heat[None, None], 3, 1, 1)[0, 0]) & (heat >= LIKELY)
        return [
            (_at(said, int(row), int(column), 1 / scale), heat[row, column].item())
            for row, column in peak.nonzero().tolist()
        ]

    def _closer(self, picture: Tensor, square: Square) -> tuple[Square, float]:
        """The head of about this square seen again, upright and at its best size: its square and heat."""
        wide = Square(square.x, square.y, max(square.side, 2.0) * SIDE / KNOWN, square.roll)
        said = self.network(_window(picture, wide))
        heat = said.heat[0].sigmoid()
        row, column = divmod(int(heat.argmax()), heat.shape[1])
        seen = _at(said, row, column, wide.side / SIDE)
        turn = math.radians(wide.roll)
        right, down = seen.x - wide.side / 2, seen.y - wide.side / 2
        x = wide.x + right * math.cos(turn) - down * math.sin(turn)
        y = wide.y + right * math.sin(turn) + down * math.cos(turn)
        return Square(x, y, seen.side, wide.roll + seen.roll), heat[row, column].item()


def load_finder(weights: Path | None = None) -> MinicatFinder:
    """The detector with its trained weights (the bundled ones where None), frozen; raises WeightsError where there is
    no such file.
    """
    tensors, _ = load_tensors(WEIGHTS if weights is None else weights)
    network = Finder()
    network.load_state_dict({key: value.float() for key, value in tensors.items()})
    return MinicatFinder(network).requires_grad_(False).eval()


def _at(said: Readings, row: int, column: int, unit: float) -> Square:
    """What a cell of a single picture says, in units of its pixels."""
    x, y, side, roll = (value[0, row, column].item() for value in said[1:])
    return Square(x * unit, y * unit, side * unit, roll)


def _window(picture: Tensor, square: Square) -> Tensor:
    """The square of a picture [1, 3, H, W], upright, [1, 3, SIDE, SIDE]; mirrored beyond the edges.

    Differs from `gpk_photos.crop` in that it must be quick, and stays with the picture's device.
    """
    pooled = max(1, int(square.side / SIDE))
    small = F.avg_pool2d(picture, pooled, ceil_mode=True) if pooled > 1 else picture
    height, width = (side * pooled for side in small.shape[-2:])
    (u, v), x, y = square.across, square.x, square.y
    middle = [2 * x / width - 1, 2 * y / height - 1]
    theta = picture.new_tensor(
        [[[2 * u / width, -2 * v / width, middle[0]], [2 * v / height, 2 * u / height, middle[1]]]]
    )
    grid = F.affine_grid(theta, [1, 3, SIDE, SIDE], align_corners=False)
    return F.grid_sample(small, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _same(a: Square, b: Square) -> bool:
    """Whether two squares are of one head: their middles are nearer than a third of a side."""
    return math.dist((a.x, a.y), (b.x, b.y)) < max(a.side, b.side) / 3


def _box(square: Square) -> tuple[float, float, float, float]:
    half = square.side / 2
    return square.x - half, square.y - half, square.x + half, square.y + half
