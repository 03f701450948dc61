"""Masks beside an album: written where something was made up, read back with the photos, told when they do not fit."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from gpk_photos import open_album, write_png
from gpk_photos.validity import write_validity


def photo(seed: int, side: int = 32) -> Tensor:
    return torch.rand(3, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def lower(side: int = 32) -> Tensor:
    """The upper three quarters are real, and half of each pixel in the next row."""
    mask = torch.zeros(1, side, side)
    mask[:, : side * 3 // 4] = 1
    mask[:, side * 3 // 4] = 128 / 255
    return mask


def written(album: Path, **masks: Tensor) -> Path:
    for seed, (name, mask) in enumerate(masks.items()):
        write_png(album / f"{name}.png", photo(seed))
        write_validity(album, f"{name}.png", mask)
    return album


def test_masks_come_back_as_they_were(tmp_path: Path) -> None:
    written(tmp_path, a=torch.ones(1, 32, 32), b=lower())
    assert not (tmp_path / "masks/a.png").exists()
    album = open_album(tmp_path, side=32, cameras=False)
    assert album.names == ("a.png", "b.png")  # a mask is no photo
    assert album.masks is not None
    assert torch.equal(album.masks, torch.stack([torch.ones(1, 32, 32), lower()]))
    small = open_album(tmp_path, side=16, cameras=False).masks
    assert small is not None
    assert small[1, 0, :11].min() == 1
    assert small[1, 0, 14:].max() == 0
    write_validity(tmp_path, "b.png", torch.ones(1, 32, 32))
    assert open_album(tmp_path, side=32, cameras=False).masks is None


def test_masks_are_cropped_as_their_photos_are(tmp_path: Path) -> None:
    wide = torch.cat([photo(0), photo(1)], 2)
    write_png(tmp_path / "w.png", wide)
    mask = torch.ones(1, 32, 64)
    mask[..., :20] = 0
    write_validity(tmp_path, "w.png", mask)
    masks = open_album(tmp_path, side=32, cameras=False).masks
    assert masks is not None
    assert torch.equal(masks[0], mask[:, :, 16:48])


def test_masks_that_do_not_fit_leave_the_photo_out(tmp_path: Path) -> None:
    written(tmp_path, a=torch.ones(1, 32, 32), b=lower(), c=1 - lower(), d=lower())
    write_validity(tmp_path, "b.png", lower(16))
    (tmp_path / "masks/d.png").write_bytes(b"no picture")
    album = open_album(tmp_path, side=32, cameras=False)
    assert album.names == ("a.png",)
    reasons = dict(album.left_out)
    assert reasons["b.png"] == "its mask is 16x16, and the photo 32x32"
    assert reasons["c.png"] == "its mask leaves 23% of it: white is what is real, and at least 25% must be"
    assert reasons["d.png"].startswith("its mask is unreadable: the content is no PNG")


def test_photos_in_a_folder_called_masks_are_photos(tmp_path: Path) -> None:
    write_png(tmp_path / "masks/party.png", photo(0))
    album = open_album(tmp_path, side=32, cameras=False)
    assert album.names == ("masks/party.png",)
    assert album.masks is None
