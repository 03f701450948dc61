"""Pictures as URIs, within a budget."""

from __future__ import annotations

import io
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gpk_pages.embedded import Picture, embed, still

MARK = b"<x:xmpmeta>trainedAlgorithmicMedia</x:xmpmeta>"


def noise(path: Path, side: int, seed: int = 0, *, xmp: bytes = b"") -> Path:
    """A picture that nothing makes smaller."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, quality=90, method=0, xmp=xmp)
    return path


def opened(uri: str) -> Image.Image:
    kind, content = uri.split(";base64,")
    image = Image.open(io.BytesIO(b64decode(content)))
    assert kind == f"data:image/{str(image.format).lower()}"
    return image


def test_what_fits_is_embedded_as_it_is(tmp_path: Path) -> None:
    webp, png = noise(tmp_path / "a.webp", 64, xmp=MARK), noise(tmp_path / "b.png", 64)
    found = embed({"a": Picture(webp), "b": Picture(png)}, budget=10**6)
    assert [b64decode(found[key].split(",")[1]) for key in "ab"] == [webp.read_bytes(), png.read_bytes()]
    assert opened(found["b"]).format == "PNG"


def test_two_hundred_pictures_that_cannot_be_compressed_fit(tmp_path: Path) -> None:
    files = [noise(tmp_path / f"{k}.webp", 512, k, xmp=MARK) for k in range(4)]
    pictures = {k: Picture(files[k % 4], plain=k % 4 == 0) for k in range(200)}
    found = embed(pictures, budget=3_500_000)  # a quarter of what 800 pictures may have
    total = sum(map(len, found.values()))
    assert set(found) == set(pictures)
    assert 1_000_000 < total <= 3_500_000
    photo, other = opened(found[0]), opened(found[1])
    assert photo.width <= other.width < 512
    assert photo.width >= 128
    assert MARK in other.info["xmp"]


def test_photos_are_made_smaller_first(tmp_path: Path) -> None:
    file = noise(tmp_path / "a.webp", 512)
    pictures = {k: Picture(file, plain=k < 4) for k in range(8)}
    whole = sum(map(len, embed(pictures, budget=10**9).values()))
    found = embed(pictures, budget=int(whole * 0.7))
    assert opened(found[0]).width < opened(found[7]).width


@pytest.mark.parametrize("budget", [2000, 20_000])
def test_a_tiny_budget_is_kept_too(tmp_path: Path, budget: int) -> None:
    file = noise(tmp_path / "a.webp", 256)
    found = embed({k: Picture(file) for k in range(10)}, budget=budget)
    assert sum(map(len, found.values())) <= budget
    assert len(found) == 10


def test_what_is_no_picture_is_left_out(tmp_path: Path) -> None:
    good = noise(tmp_path / "a.webp", 64)
    (tmp_path / "cut.webp").write_bytes(good.read_bytes()[:200])
    (tmp_path / "text.webp").write_text("<svg onload='alert(1)'/>")
    Image.new("RGB", (8, 8)).save(tmp_path / "other.gif")
    noise(tmp_path / "b.png", 64)
    (tmp_path / "cut.png").write_bytes((tmp_path / "b.png").read_bytes()[:-30])
    names = ("a.webp", "b.png", "cut.webp", "cut.png", "text.webp", "other.gif", "none.webp")
    assert list(embed({name: Picture(tmp_path / name) for name in names}, budget=10**6)) == ["a.webp", "b.png"]
    assert embed({}, budget=10) == {}


def test_what_has_damaged_pixels_is_left_out_where_it_would_be_made_smaller(tmp_path: Path) -> None:
    good = noise(tmp_path / "a.png", 64)
    content = good.read_bytes()
    (tmp_path / "b.png").write_bytes(content[:5000] + bytes(2000) + content[7000:])
    found = embed({name: Picture(tmp_path / name) for name in ("a.png", "b.png")}, budget=10_000)
    assert list(found) == ["a.png"]


def test_a_tall_sheet_becomes_one_that_webp_can_hold(tmp_path: Path) -> None:
    Image.effect_noise((120, 16_800), 60).convert("RGB").save(tmp_path / "tall.png", compress_level=1)
    found = embed({"": Picture(tmp_path / "tall.png")}, budget=600_000, sides=(120, 100))
    image = opened(found[""])
    assert image.height <= 16383
    assert image.width / image.height == pytest.approx(120 / 16_800, rel=0.02)


def test_a_still_is_the_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (16, 8), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], xmp=MARK)
    uri = still(tmp_path / "a.webp")
    assert uri is not None
    image = opened(uri)
    assert getattr(image, "n_frames", 1) == 1
    assert MARK in image.info["xmp"]
    red, _, blue = image.convert("RGB").resize((1, 1)).tobytes()
    assert red > 200 > 50 > blue
    assert still(tmp_path / "none.webp") is None


def test_a_still_of_what_is_damaged_between_its_ends_is_none(tmp_path: Path) -> None:
    noise(tmp_path / "a.png", 64)
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[100:-100] = bytes(len(content) - 200)
    (tmp_path / "a.png").write_bytes(content)
    assert still(tmp_path / "a.png") is None
