"""Animated pictures."""

from pathlib import Path

import pytest
from PIL import Image

from gpk.errors import RunError
from gpk_runs.animation import durations, write_animation

FRAMES = [Image.new("RGB", (32, 16), colour) for colour in ("red", "green", "blue")]


def test_an_animation_has_its_frames_its_pace_and_the_mark_of_synthetic_pictures(tmp_path: Path) -> None:
    write_animation(tmp_path / "turning.webp", FRAMES, rate=20)
    with Image.open(tmp_path / "turning.webp") as image:
        assert (image.format, image.size, getattr(image, "n_frames", 1)) == ("WEBP", (32, 16), 3)
        assert image.info["loop"] == 0
        assert b"trainedAlgorithmicMedia" in image.info["xmp"]
        for k, channel in enumerate((0, 1, 2)):
            image.seek(k)
            image.load()
            assert image.info["duration"] == 50
            pixel = image.convert("RGB").getpixel((16, 8))
            assert isinstance(pixel, tuple)
            assert pixel.index(max(pixel)) == channel


def test_an_animation_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken.webp").mkdir()
    with pytest.raises(RunError, match="cannot write"):
        write_animation(tmp_path / "taken.webp", FRAMES)


def test_an_animation_lasts_as_long_as_its_rate_says(tmp_path: Path) -> None:
    assert sum(durations(48, 48 / 3.0)) == 3000
    assert sum(durations(100, 24)) == 4167
    write_animation(tmp_path / "three.webp", FRAMES, rate=24)
    with Image.open(tmp_path / "three.webp") as image:
        shown = []
        for k in range(3):
            image.seek(k)
            image.load()
            shown.append(image.info["duration"])
    assert shown == [42, 41, 42]
