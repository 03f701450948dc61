r"""Pictures that show the same moment twice: a difference hash of 64 bits, and groups of what is near by it.

The luminance is brought to 9 x 8 cells, and each bit tells whether a cell is darker than its right neighbour: scaling,
recompression and another exposure leave nearly all of them (the "dHash" of N. Krawetz, Kind of Like That, 2013). Two
hashes are compared by the number of bits in which they differ; of unrelated pictures about half do.

Shapes: R side of a crop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from gpk_photos.quality import luminance

BITS = 64
NEAR = 5
"""Bits of 64: what a hand's tremble changes. Chance brings two unrelated pictures so near once in 10^12."""


def difference_hash(picture: Tensor) -> int:
    """The 64 bits of a picture [3, H, W] in [-1, 1]."""
    cells = F.interpolate(luminance(picture)[None, None], (8, 9), mode="bilinear", antialias=True)[0, 0]
    bits = (cells[:, :-1] < cells[:, 1:]).flatten().tolist()
    return sum(1 << place for place, bit in enumerate(bits) if bit)


def distance(a: int, b: int) -> int:
    """Bits in which two hashes differ.

    >>> distance(0b1100, 0b1010)
    2
    """
    return (a ^ b).bit_count()


def duplicates(hashes: Mapping[str, Sequence[int]], worth: Mapping[str, float]) -> dict[str, str]:
    """The photos that repeat another, each with the one to keep: the one of its group that is worth most.

    `hashes` are of several looks at each photo, of the whole and of the crop, and all of them must be near. Nearness is
    not passed on along a chain: every duplicate is near the very photo that is kept.
    """
    kept: list[str] = []
    twin: dict[str, str] = {}
    for name in sorted(hashes, key=lambda one: (-worth[one], one)):
        near = (other for other in kept if _near(hashes[name], hashes[other]))
        original = next(near, None)
        if original is None:
            kept.append(name)
        else:
            twin[name] = original
    return twin


def _near(a: Sequence[int], b: Sequence[int]) -> bool:
    return all(distance(one, other) <= NEAR for one, other in zip(a, b, strict=True))
