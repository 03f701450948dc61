"""Spaces of colours told by numbers, and how their pictures become sRGB's.

    sRGB = encode(clip(M_sRGB^-1 A M linear(numbers)))

where M, from an RGB to CIE XYZ, follows from the primaries and their white (SMPTE RP 177), and A brings that white to
D65 (Bradford's matrix, ICC.1, annex E). High dynamic range is shown as on paper: its reference white of 203 cd/m2
(ITU-R BT.2408) becomes white, and what is brighter becomes white too.

Shapes: H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Primaries = tuple[tuple[float, float], ...]
"""Red, green, blue and white in CIE xy."""
D65 = (0.3127, 0.3290)
BT709: Primaries = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), D65)
ADOBE: Primaries = ((0.640, 0.330), (0.210, 0.710), (0.150, 0.060), D65)
ADOBE_GAMMA = 2.19921875
PRIMARIES: Mapping[int, Primaries] = {
    1: BT709,
    5: ((0.640, 0.330), (0.290, 0.600), (0.150, 0.060), D65),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65),
}
"""By code point (H.273, table 2): BT.709, BT.601 of 625 and 525 lines, BT.2020, DCI P3, Display P3."""
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
REFERENCE_WHITE, PEAK = 203.0, 10000.0
"""cd/m2: of diffuse white (BT.2408), and of the greatest number of PQ (BT.2100)."""
HLG_PEAK, HLG_GAMMA = 1000.0, 1.2
"""cd/m2 of the display that HLG is seen on here, and the gamma of its system (BT.2100)."""


def srgb(v: Numbers) -> Numbers:
    """IEC 61966-2-1's curve, to light."""
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def _pq(v: Numbers) -> Numbers:
    """BT.2100's PQ, in reference whites."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    p = v ** (1 / m2)
    return PEAK / REFERENCE_WHITE * (np.maximum(p - c1, 0) / (c2 - c3 * p)) ** (1 / m1)


def _hlg(v: Numbers) -> Numbers:
    """BT.2100's HLG, light of the scene."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(v <= 0.5, v**2 / 3, (np.exp((v - c) / a) + b) / 12)


def gamma(power: float) -> Callable[[Numbers], Numbers]:
    """The curve that is this power."""
    return lambda v: v**power


CURVES: Mapping[int, Callable[[Numbers], Numbers]] = {
    **dict.fromkeys((1, 6, 13, 14, 15), srgb), 4: gamma(2.2), 5: gamma(2.8), 8: gamma(1.0), 16: _pq, 18: _hlg
}  # fmt: skip
"""Numbers in [0, 1] to light, by code point (H.273, table 3). BT.709's and BT.2020's own curves are cameras', and
pictures with them are meant for a display as sRGB's are: they count as sRGB's.
"""


@dataclass(frozen=True)
class Space:
    """A space of colours: its primaries, and its curve from numbers in [0, 1] to light."""

    primaries: Primaries
    curve: Callable[[Numbers], Numbers]

    def in_srgb(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The pixels [H, W, 3] of this space in sRGB. Raises LinAlgError where its primaries span nothing."""
        table = self.curve(np.arange(256) / 255).astype(np.float32)
        into = to_srgb(self.primaries).astype(np.float32).T
        luminance = _to_xyz(self.primaries)[1].astype(np.float32)
        found = np.empty_like(pixels)
        for row, line in enumerate(pixels):  # a row at a time: floats of a whole photo take gigabytes
            light = table[line]
            if self.curve is _hlg:
                y = light @ luminance
                light = light * (HLG_PEAK / REFERENCE_WHITE * y ** (HLG_GAMMA - 1))[:, None]
            found[row] = _encoded(light @ into)
        return found


@lru_cache
def to_srgb(primaries: Primaries) -> Numbers:
    """The matrix from light of these primaries to that of sRGB's, white to white; LinAlgError where they span none."""
    white, own = (BRADFORD @ _to_xyz(each).sum(axis=1) for each in (BT709, primaries))
    if own.min() <= 0:
        raise np.linalg.LinAlgError("a white that is none")
    adapted = np.linalg.inv(BRADFORD) @ np.diag(white / own) @ BRADFORD
    return np.linalg.inv(_to_xyz(BT709)) @ adapted @ _to_xyz(primaries)


def _to_xyz(primaries: Primaries) -> Numbers:
    """The matrix from an RGB of these primaries and white to CIE XYZ."""
    *colours, (x, y) = primaries
    if min(point[1] for point in primaries) <= 0:
        raise np.linalg.LinAlgError("a primary without luminance")
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in colours]).T
    white = np.array([x / y, 1, (1 - x - y) / y])
    if abs(np.linalg.det(columns)) < 1e-6:
        raise np.linalg.LinAlgError("primaries on a line")
    return columns * np.linalg.solve(columns, white)


def _encoded(light: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Light as sRGB's numbers, clipped to what sRGB can show."""
    clipped = light.clip(0, 1)
    return np.rint(255 * np.where(clipped <= 0.0031308, 12.92 * clipped, 1.055 * clipped ** (1 / 2.4) - 0.055)).astype(
        np.uint8
    )
