"""Masks: black and white pictures that tell, in white, where something is in a photo.

One picture speaks for all photos, or a folder or zip has one for each, of the photo's name with any ending.

Shapes: N photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from gpk.album import resize
from gpk.errors import AlbumError, InputError
from gpk_photos.contents import album_files, is_album
from gpk_photos.decode import read_image
from gpk_photos.kinds import PHOTOS


def read_masks(path: Path, names: Sequence[str], *, side: int, fit: bool = False) -> Tensor:
    """Shares of white [N, 1, side, side] in [0, 1] in the photos `names`, or [1, 1, side, side] in all of them.

    Only a mask that was `fit`ted, cropped to its central square as photos are and resized, has other shares than 0 and
    1. Raises InputError where a photo has no mask or one of another size, AlbumError where one cannot be read.
    """
    if not is_album(path):
        if not path.exists():
            raise InputError(f"no mask at {path}: there is no such picture, folder or zip")
        if not path.is_file():
            raise InputError(f"no mask at {path}: it is a pipe or a device. Give a picture, a folder or a zip")
        return _mask(read_image(path), str(path), side, fit=fit)[None]
    with album_files(path) as files:
        pictures = {name: read for name, read in files.items() if PurePosixPath(name).suffix.lower() in PHOTOS}
        by_stem = {str(PurePosixPath(name).with_suffix("")): name for name in pictures}
        masks = []
        for photo in names:
            name = photo if photo in pictures else by_stem.get(str(PurePosixPath(photo).with_suffix("")))
            if name is None:
                raise InputError(f"{path} has no mask of {photo}: put a picture of that name there, white in the mask")
            try:
                picture = read_image(pictures[name]())
            except AlbumError as error:
                raise AlbumError(f"{path}: {name}: {error}") from error
            masks.append(_mask(picture, f"{path}: {name}", side, fit=fit))
    return torch.stack(masks)


def _mask(picture: Tensor, where: str, side: int, *, fit: bool) -> Tensor:
    """The mask [1, side, side] of a picture [3, H, W] in [-1, 1]."""
    height, width = picture.shape[-2:]
    white = (picture.mean(0, keepdim=True) > 0).float()  # first of all, so that the noise of a JPEG is black or white
    if (height, width) == (side, side):
        return white
    if not fit:
        raise InputError(
            f"{where} is {width}x{height}, and the photos are taken at {side}x{side}: "
            "give a mask of that size, or fit it (--fit-mask)"
        )
    square = min(height, width)
    top, left = (height - square) // 2, (width - square) // 2
    return resize(white[None, :, top : top + square, left : left + square], side)[0]
