"""Files of photos changed byte by byte, and what they say of their colours and of how they were held."""

from __future__ import annotations

import io
import math
import random
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from mutations import ODD, bytewise
from PIL import Image, ImageCms

from gpk_photos.colour import in_srgb
from gpk_photos.decode import is_square, read_image

pytestmark = pytest.mark.attack
COUNT = 3000


def take(content: bytes) -> None:
    """Reads the picture, as an album does."""
    is_square(lambda: content)
    picture = read_image(content)
    assert picture.ndim == 3
    assert torch.isfinite(picture).all()
    assert picture.abs().max() <= 1


def photo() -> Image.Image:
    """A small picture with something everywhere."""
    pixels = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)
    return Image.fromarray(pixels)


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def files() -> Iterator[bytes]:
    """One of each format, and of each way to hold it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x8769] = {0xA001: 2}
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = photo()
    for form in ("PNG", "JPEG", "WEBP"):
        yield encoded(image, form, exif=exif.tobytes(), icc_profile=profile)
    yield encoded(image, "BMP")
    yield encoded(image.convert("P"), "GIF", save_all=True, append_images=[image.convert("P")])
    yield encoded(image, "MPO", save_all=True, append_images=[image], exif=exif.tobytes())
    yield encoded(image.convert("LA"), "PNG")
    yield encoded(image.convert("CMYK"), "JPEG")


def test_photos_bytewise(tally: Any) -> None:
    rng = random.Random(0)
    whole = list(files())
    for number in range(COUNT):
        content = bytewise(whole[number % len(whole)], rng)
        tally.attempt(f"input {number}", lambda content=content: take(content))


def test_tiffs_bytewise(tally: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """Apart, for libtiff writes lines of its own on stderr."""
    rng = random.Random(1)
    whole = [encoded(photo(), "TIFF", compression=way) for way in (None, "tiff_lzw", "tiff_deflate", "packbits")]
    for number in range(COUNT // 2):
        content = bytewise(whole[number % len(whole)], rng)
        tally.attempt(f"input {number}", lambda content=content: take(content))
    capfd.readouterr()


def test_heics_bytewise(tally: Any) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    rng = random.Random(2)
    stream = io.BytesIO()
    pillow_heif.from_pillow(photo().resize((64, 64))).save(stream, quality=50)
    for number in range(COUNT // 6):
        content = bytewise(stream.getvalue(), rng)
        tally.attempt(f"input {number}", lambda content=content: take(content))


def test_profiles_of_colours_bytewise(tally: Any) -> None:
    rng = random.Random(3)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    modes = [photo().convert(mode) for mode in ("RGB", "L", "CMYK")]
    for number in range(COUNT // 3):
        image = modes[number % 3]
        content = encoded(image, "JPEG", icc_profile=bytewise(profile, rng))
        tally.attempt(f"input {number}", lambda content=content: take(content))


def test_colours_told_by_odd_numbers(tally: Any) -> None:
    rng = random.Random(4)
    told = (*ODD, *range(24))
    for number in range(COUNT // 3):
        image = photo()
        numbers = {name: rng.choice(told) for name in ("color_primaries", "transfer_characteristics")}
        image.info["nclx_profile"] = rng.choice((numbers, numbers, rng.choice(ODD)))
        tally.attempt(f"input {number}", lambda image=image: in_srgb(image))


def test_pngs_of_odd_gamma_and_primaries(tally: Any) -> None:
    rng = random.Random(5)

    def chunk(kind: bytes, numbers: list[int]) -> bytes:
        data = struct.pack(f">{len(numbers)}I", *numbers)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def odd() -> int:
        return rng.choice((0, 1, 2, 45455, 100_000, 2**31 - 1, 2**32 - 1, int(math.exp(rng.uniform(0, 15)))))

    whole = encoded(photo(), "PNG")
    for number in range(COUNT // 3):
        gamma, primaries = chunk(b"gAMA", [odd()]), chunk(b"cHRM", [odd() for _ in range(8)])
        content = whole[:33] + gamma + (primaries if number % 2 else b"") + whole[33:]
        tally.attempt(f"input {number}", lambda content=content: take(content))
