"""Masks: one for all, or one each; their size, their noise, their absence."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gpk.errors import AlbumError, InputError
from gpk_photos import read_masks


def painted(path: Path, left: int, *, width: int = 16, height: int = 16) -> Path:
    """A picture, white in its columns from `left` on."""
    pixels = np.zeros((height, width), np.uint8)
    pixels[:, left:] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp"])
def test_white_is_one_and_black_is_zero_for_all_photos(tmp_path: Path, ending: str) -> None:
    masks = read_masks(painted(tmp_path / f"mask.{ending}", 10), ["a.png", "b.png"], side=16)
    assert masks.shape == (1, 1, 16, 16)
    assert torch.equal(masks[0, 0, 3], torch.tensor([0.0] * 10 + [1.0] * 6))


def test_photos_find_their_masks_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "masks"
    for name, left in {"a.png": 4, "sub/b.png": 8, "sub/b.bmp": 2, "stray.png": 0}.items():
        painted(folder / name, left)
    (folder / "notes.txt").write_text("no mask")
    names = ["sub/b.png", "a.jpg"]
    masks = read_masks(folder, names, side=16)
    assert masks.sum((1, 2, 3)).tolist() == [8 * 16, 12 * 16]
    with zipfile.ZipFile(tmp_path / "masks.zip", "w") as archive:
        for file in folder.rglob("*.png"):
            archive.write(file, file.relative_to(folder).as_posix())
    assert torch.equal(read_masks(tmp_path / "masks.zip", names, side=16), masks)
    with pytest.raises(InputError, match=r"has no mask of c\.png"):
        read_masks(folder, [*names, "c.png"], side=16)


def test_another_size_is_refused_or_fitted_as_the_photo_was(tmp_path: Path) -> None:
    wide = painted(tmp_path / "wide.png", 40, width=64, height=32)
    with pytest.raises(InputError, match=r"64x32, and the photos are taken at 16x16"):
        read_masks(wide, ["a.png"], side=16)
    fitted = read_masks(wide, ["a.png"], side=16, fit=True)
    assert fitted.shape == (1, 1, 16, 16)
    # The central square is columns 16 to 48: white begins at its 24th of 32, the 12th of 16.
    assert not fitted[..., :11].any()
    assert torch.equal(fitted[..., 13:], torch.ones(1, 1, 16, 3))


def test_what_is_no_mask_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no mask at .*nowhere"):
        read_masks(tmp_path / "nowhere", ["a.png"], side=16)
    (tmp_path / "mask.png").write_bytes(b"text")
    with pytest.raises(AlbumError, match=r"mask\.png: unreadable"):
        read_masks(tmp_path / "mask.png", ["a.png"], side=16)
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "a.png").write_bytes(b"text")
    with pytest.raises(AlbumError, match=r"masks: a\.png: unreadable"):
        read_masks(tmp_path / "masks", ["a.png"], side=16)
