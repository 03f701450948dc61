"""Photo files of every format with bytes, lengths, parts, EXIF and profiles changed: each is a picture or refused."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from mutations import bytewise
from PIL import Image, ImageCms

from gpk_photos.colour import in_srgb
from gpk_photos.decode import decode, is_square

pytestmark = pytest.mark.attack
COUNT = 600
SIDE = 24
TAGS = (
    b"EX\0\0",
    b"II*\0",
    b"MM\0*",
    b"acsp",
    b"mft1",
    b"mft2",
    b"mAB ",
    b"curv",
    b"para",
    b"\xff\xd8",
    b"IDAT",
    b"VP8X",
)
"""What stands at the beginning of parts."""


def photo(seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (SIDE, SIDE, 3), np.uint8))


def facts() -> dict[str, Any]:
    """A profile and EXIF of a camera's kind."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x8769] = {0xA001: 65535, 0xA005: {1: "R03"}, 0x9286: b"ASCII\0\0\0text"}
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return {"exif": exif.tobytes(), "icc_profile": profile}


def encoded(form: str, image: Image.Image | None = None, **options: Any) -> bytes:
    stream = io.BytesIO()
    (image or photo()).save(stream, form, **options)
    return stream.getvalue()


def examples() -> dict[str, list[bytes]]:
    """Good files by format; HEIC where its extra is there."""
    animated = {"save_all": True, "append_images": [photo(1), photo(2)]}
    palette, inks = photo().convert("P"), photo().convert("CMYK")
    found = {
        "PNG": [encoded("PNG", **facts()), encoded("PNG", palette, transparency=3), encoded("PNG", **animated)],
        "JPEG": [encoded("JPEG", **facts()), encoded("JPEG", progressive=True), encoded("JPEG", inks)],
        "MPO": [encoded("MPO", **facts(), **animated)],
        "WEBP": [encoded("WEBP", **facts()), encoded("WEBP", lossless=True), encoded("WEBP", **animated)],
        "TIFF": [
            encoded("TIFF", **facts()),
            *(encoded("TIFF", compression=packed) for packed in ("tiff_lzw", "tiff_deflate", "jpeg", "packbits")),
            encoded("TIFF", photo().convert("1"), compression="group4"),
            encoded("TIFF", Image.fromarray(np.zeros((SIDE, SIDE), np.uint16))),
        ],
        "GIF": [encoded("GIF"), encoded("GIF", **animated)],
        "BMP": [encoded("BMP"), encoded("BMP", palette)],
    }
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return found
    register_heif_opener(thumbnails=False)
    return found | {"HEIC": [encoded("HEIF", photo().resize((64, 64)), **facts())]}


def take(content: bytes) -> Image.Image:
    """The photo, in all the ways that photos are read."""
    is_square(lambda: content)
    image = decode(content)
    decode(content, least=4, enough=4)
    assert image.mode == "RGB"
    return image


def spoiled(content: bytes, rng: random.Random) -> bytes:
    """With bytes changed, or with a number of two or four bytes somewhere, in either order, that is an odd one."""
    if rng.random() < 0.6:
        return bytewise(content, rng, fragments=TAGS)
    size, order = rng.choice((2, 4)), rng.choice("<>")
    number = rng.choice((0, 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, len(content), len(content) + 1))
    at = rng.randrange(len(content) - size)
    return (
        content[:at] + struct.pack(order + ("H" if size == 2 else "I"), number % 2 ** (8 * size)) + content[at + size :]
    )


@pytest.mark.parametrize("form", ["PNG", "JPEG", "MPO", "WEBP", "TIFF", "GIF", "BMP", "HEIC"])
def test_photos_mutated(tally: Any, form: str, capfd: pytest.CaptureFixture[str]) -> None:
    rng, good = random.Random(form), examples().get(form)
    if good is None:
        pytest.skip("HEIC's extra is not installed")
    for number in range(COUNT):
        content = spoiled(good[number % len(good)], rng)
        tally.attempt(f"input {number}", lambda content=content: take(content))
    if lines := capfd.readouterr().err:
        tally.fail("stderr", lines[:200])


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += 12 + length


def test_chunks_of_pngs_mutated(tally: Any) -> None:
    rng, good = random.Random(1), list(chunks(encoded("PNG", **facts())))
    extra = [
        (b"cICP", bytes([9, 16, 0, 1])),
        (b"gAMA", struct.pack(">I", 100_000)),
        (b"cHRM", bytes(32)),
        (b"sRGB", b"\0"),
    ]
    extra += [(b"tRNS", bytes(6)), (b"acTL", bytes(8)), (b"eXIf", b"II*\0\xff\xff\xff\xff"), (b"zTXt", b"k\0\0x")]
    for number in range(COUNT):
        made = [*good[:1], *rng.sample(extra, rng.randrange(4)), *good[1:]]
        for _ in range(rng.choice((1, 1, 2))):
            at = rng.randrange(len(made))
            kind, data = made[at]
            match rng.randrange(4):
                case 0:
                    made[at] = kind, spoiled(data, rng) if len(data) > 4 else rng.randbytes(len(data))
                case 1:
                    made[at:at] = [made[at]] * rng.choice((1, 50))
                case 2:
                    made.insert(rng.randrange(len(made)), made.pop(at))
                case _:
                    made[at] = rng.choice([*good, *extra])[0], data
        body = b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in made
        )
        tally.attempt(f"input {number}", lambda body=body: take(b"\x89PNG\r\n\x1a\n" + body))


def test_profiles_of_photos_mutated(tally: Any) -> None:
    """Of any sort of pixels; a profile that says nothing does not cost the photo."""
    rng = random.Random(2)
    profiles = [ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes() for name in ("sRGB", "LAB", "XYZ")]
    for number in range(2 * COUNT):
        image = photo().convert(rng.choice(("RGB", "L", "LA", "RGBA", "P", "CMYK")))
        image.info["icc_profile"] = spoiled(rng.choice(profiles), rng)
        tally.attempt(f"input {number}", lambda image=image: in_srgb(image))


def test_code_points_of_photos_mutated(tally: Any) -> None:
    rng, odd = random.Random(3), (None, "1", -1, 0, 1, 2, 9, 12, 13, 16, 18, 22, 255, 2**40, 1.0, [], b"x")
    for number in range(COUNT):
        image = photo()
        told = {"color_primaries": rng.choice(odd), "transfer_characteristics": rng.choice(odd)}
        image.info["nclx_profile"] = rng.choice((told, told, told, {}, rng.choice(odd)))
        tally.attempt(f"input {number}: {told}", lambda image=image: in_srgb(image))


def test_exif_of_photos_mutated(tally: Any) -> None:
    rng, exif = random.Random(4), facts()["exif"]
    for number in range(COUNT):
        form = rng.choice(("JPEG", "PNG", "WEBP"))
        content = encoded(form, exif=spoiled(exif, rng))
        tally.attempt(f"input {number}", lambda content=content: take(content))
