"""What a file tells of its colours by numbers instead of a profile.

A HEIC's `colr` box and a PNG's chunk cICP hold code points (ITU-T H.273: primaries, and the curve from light to
numbers), a PNG's gAMA and cHRM a gamma and the primaries themselves, and a camera's JPEG the note in its EXIF that it
is Adobe RGB (DCF 2.0, "R03").
"""

from __future__ import annotations

import io
import struct
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from gpk.errors import AlbumError
from gpk_photos.spaces import ADOBE, ADOBE_GAMMA, BT709, CURVES, PRIMARIES, Space, gamma, srgb, to_srgb

UNSPECIFIED = 2
SRGB_GAMMA = 1 / 0.45455
"""What a PNG says that is sRGB's."""
EXIF, INTEROPERABILITY = 0x8769, 0xA005
"""Where EXIF keeps its own facts, and those on who may read them."""
PNG = b"\x89PNG\r\n\x1a\n"
CICP = "cicp"
"""Where `note_cicp` puts a PNG's code points among Pillow's facts of a picture, as pillow-heif does with a HEIC's."""


def note_cicp(stream: BinaryIO) -> dict[str, Any]:
    """A PNG's code points, which Pillow drops, under `CICP`; nothing for what has none. The stream stays where it is.

    They go before a profile (PNG, third edition, 4.3). Numbers of a narrow range have a curve of no number.
    """
    start = stream.tell()
    try:
        if stream.read(len(PNG)) != PNG:
            return {}
        while len(head := stream.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind == b"IDAT":
                return {}
            if kind == b"cICP" and length == 4:
                primaries, curve, _, full = stream.read(4).ljust(4, b"\0")
                told = curve if full else f"{curve} of narrow range"
                return {CICP: {"color_primaries": primaries, "transfer_characteristics": told}}
            stream.seek(length + 4, io.SEEK_CUR)
        return {}
    finally:
        stream.seek(start)


def space_of(image: Image.Image) -> Space | None:
    """The space that the picture's file tells by numbers; None for sRGB, and where nothing is told.

    Raises AlbumError for numbers that nobody here knows.
    """
    told = image.info.get(CICP) or image.info.get("nclx_profile")
    if isinstance(told, dict):
        return _of_code_points(told.get("color_primaries"), told.get("transfer_characteristics"))
    if image.format == "PNG":
        return _of_png(image)
    return Space(ADOBE, gamma(ADOBE_GAMMA)) if image.format in ("JPEG", "MPO", "TIFF") and _is_adobe(image) else None


def _of_code_points(primaries: object, curve: object) -> Space | None:
    primaries = 1 if primaries == UNSPECIFIED else primaries
    curve = 13 if curve == UNSPECIFIED else curve
    if not (isinstance(primaries, int) and primaries in PRIMARIES and isinstance(curve, int) and curve in CURVES):
        told = f"primaries {str(primaries)[:20]}, curve {str(curve)[:20]}"
        raise AlbumError(f"its colours are of a kind that is not read ({told}): save it as JPEG or PNG in sRGB")
    if PRIMARIES[primaries] == BT709 and CURVES[curve] is srgb:
        return None
    return Space(PRIMARIES[primaries], CURVES[curve])


def _of_png(image: Image.Image) -> Space | None:
    """By a PNG's gAMA and cHRM, which sRGB's own chunk goes before; primaries that span nothing are none."""
    power, told = image.info.get("gamma"), image.info.get("chromaticity")
    if "srgb" in image.info or not isinstance(power, float) or not 0.1 <= power <= 2:
        return None
    primaries = BT709
    if isinstance(told, tuple) and len(told) == 8:
        white, *rest = ((told[at], told[at + 1]) for at in (0, 2, 4, 6))
        primaries = (*rest, white)
    near = np.abs(np.subtract(primaries, BT709)).max() < 0.005
    if near and abs(power * SRGB_GAMMA - 1) < 0.05:
        return None
    try:
        to_srgb(primaries)
    except np.linalg.LinAlgError:
        return None
    return Space(primaries, gamma(1 / power))


def _is_adobe(image: Image.Image) -> bool:
    """Whether a camera noted in the EXIF that the picture is in Adobe RGB: cameras do, instead of a profile."""
    try:
        own = image.getexif().get_ifd(EXIF)
        return own.get(0xA001) == 2 or image.getexif().get_ifd(INTEROPERABILITY).get(1) == "R03"
    except Exception:
        return False
