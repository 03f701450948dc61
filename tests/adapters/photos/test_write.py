"""Pictures are written exactly, whole or not at all, and say when they are synthetic."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from gpk.errors import RunError
from gpk_photos import read_image, write_png


def ramp() -> torch.Tensor:
    """All 256 levels as a picture [3, 16, 16]."""
    return (torch.arange(256.0).reshape(1, 16, 16) / 127.5 - 1).repeat(3, 1, 1)


def test_every_level_survives_writing_and_reading(tmp_path: Path) -> None:
    write_png(tmp_path / "new" / "a.png", ramp())
    assert torch.equal(read_image(tmp_path / "new" / "a.png"), ramp())
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["a.png"]


def test_beyond_the_range_is_clamped_and_gradients_are_ignored(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", (ramp() * 3).requires_grad_())
    assert torch.equal(read_image(tmp_path / "a.png")[0, 0], torch.full((16,), -1.0))


def test_a_synthetic_picture_says_so(tmp_path: Path) -> None:
    write_png(tmp_path / "made.png", ramp(), synthetic=True)
    write_png(tmp_path / "seen.png", ramp())
    with Image.open(tmp_path / "made.png") as made, Image.open(tmp_path / "seen.png") as seen:
        assert (
            'DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"'
            in made.info["XML:com.adobe.xmp"]
        )
        assert not seen.info


def test_a_picture_replaces_an_older_one(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("older")
    write_png(tmp_path / "a.png", ramp())
    assert torch.equal(read_image(tmp_path / "a.png"), ramp())


def test_no_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has the shape \[3, H, W\], not \[1, 3, 16, 16\]"):
        write_png(tmp_path / "a.png", ramp()[None])
    with pytest.raises(ValueError, match=r"a\.png: the picture has a number that is not finite"):
        write_png(tmp_path / "a.png", ramp() * float("nan"))
    assert not list(tmp_path.iterdir())


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(RunError, match=r"cannot write .*folder\.png: Is a directory"):
        write_png(tmp_path / "folder.png", ramp())
    assert [file.name for file in tmp_path.iterdir()] == ["folder.png"]
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"cannot write .*file/a\.png"):
        write_png(tmp_path / "file" / "a.png", ramp())
