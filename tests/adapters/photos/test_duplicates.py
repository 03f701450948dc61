"""Photos that are another again, and photos of the same subject in the same frame that are not."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from gpk_minicat.album import write_album
from gpk_photos import open_album
from gpk_photos.decode import decode, tensor
from gpk_photos.duplicates import repeated
from gpk_runs.pictures import to_image


@pytest.fixture(scope="module", params=[0, 4, 7])
def cat(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tensor, Tensor]:
    """Photos of a procedural cat, and others of it."""
    folder = write_album(tmp_path_factory.mktemp("cat") / "cat", request.param, photos=6, held_out=6)
    train, held_out = (open_album(folder / part, side=64, cameras=True).photos for part in ("train", "held-out"))
    return train, held_out


def copied(photo: Tensor, *, quality: int, brightness: float, side: int) -> Tensor:
    """A photo as another program saves it again."""
    image = Image.eval(to_image(photo).resize((side, side)), lambda value: int(value * brightness))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return tensor(decode(stream.getvalue()).resize((64, 64), Image.Resampling.LANCZOS))


def test_other_photos_of_the_subject_are_no_repeats(cat: tuple[Tensor, Tensor]) -> None:
    assert repeated(cat[1], cat[0]) == {}


@pytest.mark.parametrize("how", [(75, 1.0, 64), (85, 0.85, 64), (90, 1.0, 128)], ids=["packed", "darker", "larger"])
def test_a_copy_is_the_photo_again(cat: tuple[Tensor, Tensor], how: tuple[int, float, int]) -> None:
    quality, brightness, side = how
    copies = [copied(photo, quality=quality, brightness=brightness, side=side) for photo in cat[0][3:]]
    assert repeated(torch.stack([*cat[1][:2], *copies]), cat[0]) == {2: 3, 3: 4, 4: 5}


def test_the_same_pixels_are_even_where_nothing_is_seen(tmp_path: Path) -> None:
    black = torch.full((1, 3, 64, 64), -1.0)
    assert repeated(black, black) == {0: 0}
    assert repeated(black, -black) == {}
