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
from gpk_photos.decode import decode, is_square, read_image

pytestmark = pytest.mark.attack
COUNT = 3000


def take(content: bytes) -> None:
    """Reads the picture, as an album does."""
    is_square(lambda: content)
    picture = read_image(content)
    assert picture.ndim == 3
    assert torch.isfinite(picture).all()
    assert picture.abs().max() <= 1
    decode(content, least=8, enough=8)


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
    """Apart, for libtiff has lines of its own about these, and none may reach the terminal."""
    rng = random.Random(1)
    ways = (None, "tiff_lzw", "tiff_deflate", "packbits", "jpeg")
    whole = [encoded(photo(), "TIFF", compression=way) for way in ways]
    whole.append(encoded(photo().convert("1"), "TIFF", compression="group4"))
    for number in range(COUNT // 2):
        content = bytewise(whole[number % len(whole)], rng)
        tally.attempt(f"input {number}", lambda content=content: take(content))
    if lines := capfd.readouterr().err:
        tally.fail("stderr", lines[:200])


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


def chunk(kind: bytes, data: bytes) -> bytes:
    """Of a PNG, with its right sum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_pngs_of_odd_gamma_and_primaries(tally: Any) -> None:
    rng = random.Random(5)

    def odd(count: int) -> bytes:
        return struct.pack(f">{count}I", *(one() for _ in range(count)))

    def one() -> int:
        return rng.choice((0, 1, 2, 45455, 100_000, 2**31 - 1, 2**32 - 1, int(math.exp(rng.uniform(0, 15)))))

    whole = encoded(photo(), "PNG")
    for number in range(COUNT // 3):
        gamma, primaries = chunk(b"gAMA", odd(1)), chunk(b"cHRM", odd(8))
        content = whole[:33] + gamma + (primaries if number % 2 else b"") + whole[33:]
        tally.attempt(f"input {number}", lambda content=content: take(content))


def test_chunks_of_pngs_changed(tally: Any) -> None:
    """Moved, repeated, renamed or of other bytes, each with its right sum."""
    rng, png, good, at = random.Random(6), next(files()), list[tuple[bytes, bytes]](), 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        good.append((png[at + 4 : at + 8], png[at + 8 : at + 8 + length]))
        at += 12 + length
    more = [(b"cICP", bytes([9, 16, 0, 1])), (b"sRGB", b"\0"), (b"tRNS", bytes(6)), (b"acTL", bytes(8))]
    for number in range(COUNT // 3):
        made = [*good[:1], *rng.sample(more, rng.randrange(4)), *good[1:]]
        for _ in range(rng.choice((1, 1, 2))):
            place = rng.randrange(len(made))
            kind, data = made[place]
            match rng.randrange(4):
                case 0:
                    made[place] = kind, bytewise(data, rng)
                case 1:
                    made[place:place] = [made[place]] * rng.choice((1, 50))
                case 2:
                    made.insert(rng.randrange(len(made)), made.pop(place))
                case _:
                    made[place] = rng.choice([*good, *more])[0], data
        content = png[:8] + b"".join(chunk(*each) for each in made)
        tally.attempt(f"input {number}", lambda content=content: take(content))


def test_exif_bytewise(tally: Any) -> None:
    rng, exif = random.Random(7), Image.Exif()
    exif[0x0112] = 6
    exif[0x8769] = {0xA001: 65535, 0xA005: {1: "R03"}}
    for number in range(COUNT // 3):
        content = encoded(photo(), rng.choice(("JPEG", "PNG", "WEBP")), exif=bytewise(exif.tobytes(), rng)[:60_000])
        tally.attempt(f"input {number}", lambda content=content: take(content))
