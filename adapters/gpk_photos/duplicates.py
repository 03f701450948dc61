r"""Pictures that show the same moment twice: two hashes of 64 bits each, and groups of what is near by them.

    differences   the luminance in 9 x 8 cells, a bit where a cell is darker than its right neighbour
    waves         the 8 x 8 slowest waves of its cosine transform in 32 x 32 cells, a bit where one is above the median

(the "pHash" and the "dHash" of N. Krawetz, Looks Like It, 2011, and Kind of Like That, 2013). Scaling, recompression
and another exposure leave nearly all bits; of unrelated pictures about half differ. The one is blind to where
brightness lies in the large, the other to fine edges: pictures of one subject before plain walls are near by one of
them alone. A neutral face and a broad grin before one wall are near by both: so the middles of two crops, brought to
lie on each other, may not differ anywhere by much.

Shapes: H and W sides of a picture.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from gpk_photos.quality import luminance

CELLS, WAVES = 32, 8
STEP = 0.01
"""Of luminance: a smaller difference is the noise of a plain wall, whose bits would be drawn by lot."""
NEAR_WHOLE = 6
"""Bits of 128 in which whole photos of a burst differ: on three albums of procedural cats 4 at most, and unrelated
photos 20 at least."""
NEAR_CROP = 30
"""Bits of 128 in which their crops do, which a detector places anew each time: 17 at most there, and 27 between a frame
of a clip of real people and its JPEG. It tells a burst from somebody who moved before a wall that did not."""
ALIKE, COARSE = 0.985, 16
"""Correlation of what two crops show in so many cells a side, where the hashes of one frame alone cannot tell: 0.971 at
most between the learned and the held-out photos of 14 procedural cats, 0.992 at least between a photo and its JPEG."""


GLANCE = 64
"""Pixels of a crop's side at which it is compared."""
MIDDLE = ((16, 57), (12, 52))
"""Rows and columns of these that hold a face's eyes and mouth."""
REACH, SCALES, TURNS = 4, (0.94, 0.97, 1.0, 1.03, 1.06), (-3.0, -1.5, 0.0, 1.5, 3.0)
"""Pixels, scales and degrees by which a detector places a face anew from photo to photo."""
BLOCK = 10
"""Pixels of a place that may differ by itself: a mouth, an eye."""
UNLIKE = 0.5
"""Root mean square of the difference there, in units of the middle's contrast. Of three clips of real people 0.42 at
most between a frame and the same one saved again, smaller or darker; 0.53 at least where lips or lids are others
(`tests/real/test_repeats.py`).
"""


class Look(NamedTuple):
    """The hashes of a whole photo and of a crop of it, 128 bits each, and a `glance` at the crop."""

    whole: int
    crop: int
    glance: str = ""


def perceptual_hash(picture: Tensor) -> int:
    """The 128 bits of a picture [3, H, W] in [-1, 1]."""
    y = luminance(picture)[None, None]
    cells = F.interpolate(y, (8, 9), mode="bilinear", antialias=True)[0, 0]
    differences = cells[:, 1:] - cells[:, :-1] > STEP
    place = torch.arange(CELLS) + 0.5
    waves = torch.cos(math.pi / CELLS * torch.arange(WAVES)[:, None] * place)
    strength = waves @ F.interpolate(y, (CELLS, CELLS), mode="bilinear", antialias=True)[0, 0] @ waves.T
    slow = strength > strength.flatten()[1:].median()  # without the mean, which is no pattern
    bits = torch.cat([differences.flatten(), slow.flatten()]).tolist()
    return sum(1 << place for place, bit in enumerate(bits) if bit)


def distance(a: int, b: int) -> int:
    """Bits in which two hashes differ.

    >>> distance(0b1100, 0b1010)
    2
    """
    return (a ^ b).bit_count()


def glance(picture: Tensor) -> str:
    """What `unlike` needs of a crop [3, H, W] in [-1, 1]: its luminance, small, as text of one byte a pixel."""
    y = F.interpolate(luminance(picture)[None, None], (GLANCE, GLANCE), mode="bilinear", antialias=True)
    return base64.b64encode(bytes((y.clamp(0, 1) * 255).round().to(torch.uint8).flatten().tolist())).decode()


def unlike(a: str, b: str) -> float:
    """By how much the middles of two crops differ where they differ most, from their `glance`s; 0 for equal ones."""
    one, other = _seen(a), _seen(b)
    return min(_apart(one, other), _apart(other, one))


def _apart(one: Tensor, other: Tensor) -> float:
    """The same, the other one being moved to lie on the first."""
    (top, bottom), (left, right) = MIDDLE
    turns = torch.tensor([(scale, math.radians(turn)) for scale in SCALES for turn in TURNS])
    across, down = turns[:, 0] * turns[:, 1].cos(), turns[:, 0] * turns[:, 1].sin()
    zero = torch.zeros_like(across)
    places = torch.stack([across, -down, zero, down, across, zero], 1).view(-1, 2, 3)
    grid = F.affine_grid(places, [len(turns), 1, GLANCE, GLANCE], align_corners=False)
    others = F.grid_sample(other.expand(len(turns), -1, -1, -1), grid, padding_mode="border", align_corners=False)
    middle = _contrast(one[..., top:bottom, left:right])
    steps = range(-REACH, REACH + 1)
    moved = [others[..., top + y : bottom + y, left + x : right + x] for y in steps for x in steps]
    differences = (_contrast(torch.cat(moved)) - middle).square()
    best = differences[differences.mean((1, 2, 3)).argmin()]
    return F.avg_pool2d(best, BLOCK, BLOCK // 2).max().sqrt().item()


def _seen(glance: str) -> Tensor:
    pixels = torch.frombuffer(bytearray(base64.b64decode(glance)), dtype=torch.uint8)
    return pixels.view(1, 1, GLANCE, GLANCE).float() / 255


def _contrast(middles: Tensor) -> Tensor:
    """Less the mean of each, in units of its contrast; that of a plain wall is none."""
    return (middles - middles.mean((2, 3), keepdim=True)) / (middles.std((2, 3), keepdim=True) + 0.05)


def duplicates(looks: Mapping[str, Look], worth: Mapping[str, float]) -> dict[str, str]:
    """The photos that repeat another, each with the one to keep: the one of its group that is worth most.

    Nearness is not passed on along a chain: every duplicate is near the very photo that is kept, and shows what that
    shows.
    """
    kept: list[str] = []
    twin: dict[str, str] = {}
    for name in sorted(looks, key=lambda one: (-worth[one], one)):
        original = next((other for other in kept if _near(looks[name], looks[other])), None)
        if original is None:
            kept.append(name)
        else:
            twin[name] = original
    return twin


def _near(a: Look, b: Look) -> bool:
    if distance(a.whole, b.whole) > NEAR_WHOLE or distance(a.crop, b.crop) > NEAR_CROP:
        return False
    return not (a.glance and b.glance) or unlike(a.glance, b.glance) <= UNLIKE


def repeated(photos: Tensor, others: Tensor) -> dict[int, int]:
    """Which of the photos [N, 3, R, R] are one of the others [M, 3, R, R] again, by their places: the same pixels, or
    those recompressed, rescaled or exposed otherwise.
    """
    alike = _coarse(photos) @ _coarse(others).T
    found = {}
    for one, other in enumerate(alike.argmax(1).tolist()):
        same = torch.equal(photos[one], others[other])
        if same or (alike[one, other] >= ALIKE and _same_look(photos[one], others[other])):
            found[one] = other
    return found


def _coarse(photos: Tensor) -> Tensor:
    """What the photos show in a few cells, as unit vectors without their mean."""
    cells = F.interpolate(photos, (COARSE, COARSE), mode="area").flatten(1)
    return F.normalize(cells - cells.mean(1, keepdim=True), dim=1)


def _same_look(a: Tensor, b: Tensor) -> bool:
    a, b = a.cpu(), b.cpu()
    near = distance(perceptual_hash(a), perceptual_hash(b)) <= NEAR_WHOLE
    return near and unlike(glance(a), glance(b)) <= UNLIKE
