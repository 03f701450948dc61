"""Colours told by numbers instead of a profile, and how they become sRGB's.

A HEIC's `colr` box may hold code points (ITU-T H.273: primaries, and the curve from light to numbers), a PNG a gamma
and the primaries themselves, and a camera's JPEG the note in its EXIF that it is Adobe RGB (DCF 2.0, "R03"). With them

    sRGB = encode(clip(M_sRGB^-1 M linear(numbers)))

where M, from an RGB to CIE XYZ, follows from the primaries and their white (SMPTE RP 177). High dynamic range is shown
as on paper: its reference white of 203 cd/m2 (ITU-R BT.2408) becomes white, and what is brighter becomes white too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gpk.errors import AlbumError

Numbers = NDArray[np.float64]
D65 = (0.3127, 0.3290)
BT709 = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), D65)
PRIMARIES: Mapping[int, tuple[tuple[float, float], ...]] = {
    1: BT709,
    5: ((0.640, 0.330), (0.290, 0.600), (0.150, 0.060), D65),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65),
}
"""Red, green, blue and white in CIE xy, by code point (H.273, table 2): BT.709, BT.601 of 625 and 525 lines, BT.2020,
Display P3.
"""
ADOBE = ((0.640, 0.330), (0.210, 0.710), (0.150, 0.060), D65)
ADOBE_GAMMA = 2.19921875
UNSPECIFIED = 2
REFERENCE_WHITE, PEAK = 203.0, 10000.0
"""cd/m2: of diffuse white (BT.2408), and of the greatest number of PQ (BT.2100)."""
HLG_PEAK, HLG_GAMMA = 1000.0, 1.2
"""cd/m2 of the display that HLG is seen on here, and the gamma of its system (BT.2100)."""
SRGB_GAMMA = 1 / 0.45455
"""What a PNG says that is sRGB's."""
EXIF, INTEROPERABILITY = 0x8769, 0xA005
"""Where EXIF keeps its own facts, and those on who may read them."""


def _srgb(v: Numbers) -> Numbers:
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


def _gamma(power: float) -> Callable[[Numbers], Numbers]:
    return lambda v: v**power


CURVES: Mapping[int, Callable[[Numbers], Numbers]] = {
    **dict.fromkeys((1, 6, 13, 14, 15), _srgb), 4: _gamma(2.2), 5: _gamma(2.8), 8: _gamma(1.0), 16: _pq, 18: _hlg
}  # fmt: skip
"""Numbers in [0, 1] to light, by code point (H.273, table 3). BT.709's and BT.2020's own curves are cameras', and
pictures with them are meant for a display as sRGB's are: they count as sRGB's.
"""


@dataclass(frozen=True)
class Space:
    """A space of colours: its primaries and white in CIE xy, and its curve; `hlg` where the display has one of its own
    besides.
    """

    primaries: tuple[tuple[float, float], ...]
    curve: Callable[[Numbers], Numbers]
    hlg: bool = False

    def in_srgb(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The pixels [H, W, 3] of this space in sRGB."""
        table = self.curve(np.arange(256) / 255).astype(np.float32)
        to_srgb = (np.linalg.inv(_to_xyz(BT709)) @ _to_xyz(self.primaries)).astype(np.float32)
        luminance = _to_xyz(self.primaries)[1].astype(np.float32)
        found = np.empty_like(pixels)
        for row, line in enumerate(pixels):  # a row at a time: floats of a whole photo take gigabytes
            light = table[line]
            if self.hlg:
                y = light @ luminance
                light = light * (HLG_PEAK / REFERENCE_WHITE * y ** (HLG_GAMMA - 1))[:, None]
            found[row] = _encoded(light @ to_srgb.T)
        return found


def space_of(image: Image.Image) -> Space | None:
    """The space that the picture's file tells by numbers; None for sRGB, and where nothing is told.

    Raises AlbumError for numbers that nobody here knows.
    """
    if isinstance(told := image.info.get("nclx_profile"), dict):
        return _of_code_points(told.get("color_primaries"), told.get("transfer_characteristics"))
    if image.format == "PNG":
        return _of_png(image)
    return Space(ADOBE, _gamma(ADOBE_GAMMA)) if image.format in ("JPEG", "MPO", "TIFF") and _is_adobe(image) else None


def _of_code_points(primaries: object, curve: object) -> Space | None:
    primaries = 1 if primaries == UNSPECIFIED else primaries
    curve = 13 if curve == UNSPECIFIED else curve
    if not (isinstance(primaries, int) and primaries in PRIMARIES and isinstance(curve, int) and curve in CURVES):
        told = f"primaries {str(primaries)[:20]}, curve {str(curve)[:20]}"
        raise AlbumError(f"its colours are of a kind that is not read ({told}): save it as JPEG or PNG in sRGB")
    if PRIMARIES[primaries] == BT709 and CURVES[curve] is _srgb:
        return None
    return Space(PRIMARIES[primaries], CURVES[curve], hlg=CURVES[curve] is _hlg)


def _of_png(image: Image.Image) -> Space | None:
    """By a PNG's gAMA and cHRM, which sRGB's own chunk goes before."""
    gamma, told = image.info.get("gamma"), image.info.get("chromaticity")
    if "srgb" in image.info or not isinstance(gamma, float) or not 0.1 <= gamma <= 2:
        return None
    primaries = BT709
    if isinstance(told, tuple) and len(told) == 8:
        white, *rest = ((told[at], told[at + 1]) for at in (0, 2, 4, 6))
        primaries = (*rest, white)
    near = np.abs(np.subtract(primaries, BT709)).max() < 0.005
    if near and abs(gamma * SRGB_GAMMA - 1) < 0.05:
        return None
    try:
        _to_xyz(primaries)
    except np.linalg.LinAlgError:
        return None
    return Space(primaries, _gamma(1 / gamma))


def _is_adobe(image: Image.Image) -> bool:
    """Whether a camera noted in the EXIF that the picture is in Adobe RGB: cameras do, instead of a profile."""
    try:
        own = image.getexif().get_ifd(EXIF)
        return own.get(0xA001) == 2 or image.getexif().get_ifd(INTEROPERABILITY).get(1) == "R03"
    except Exception:
        return False


@lru_cache
def _to_xyz(primaries: tuple[tuple[float, float], ...]) -> Numbers:
    """The matrix from an RGB of these primaries and white to CIE XYZ; LinAlgError where they span nothing."""
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
