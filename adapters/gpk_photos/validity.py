"""Which pixels of an album's photos are real: `masks/NAME.png` in the album's folder, for a photo that was cropped
beyond its edge; white is the photograph's own, black was made up. A photo without such a file is all real.

They are part of the album. Masks of what is to be restored (`gpk_photos.masks`) are given beside it, by a path of their
own, and say the opposite: there white is missing.

Shapes: R side of a photo.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gpk.errors import AlbumError
from gpk_checkpoints.atomic import write_atomically
from gpk_photos.decode import decode

FOLDER = "masks"
LEAST = 0.25
"""The part of a photo that must be real. Less was no photo of anybody, or the mask is one for `gpk run restore`."""


def mask_name(photo: str) -> str:
    """The name of a photo's mask in its album.

    >>> mask_name("tom/1.jpg")
    'masks/tom/1.png'
    """
    return str(PurePosixPath(FOLDER) / PurePosixPath(photo).with_suffix(".png"))


def masks_among(names: Iterable[str]) -> set[str]:
    """Those of an album's files that are masks of others."""
    names = set(names)
    return {mask_name(name) for name in names} & names


def write_validity(album: Path, photo: str, mask: Tensor) -> None:
    """Writes the mask [1, R, R] in [0, 1] of a photo of this album, or deletes it where all is real.

    Raises RunError where it cannot be written.
    """
    file = album / mask_name(photo)
    if bool((mask == 1).all()):
        file.unlink(missing_ok=True)
        return
    content = io.BytesIO()
    pixels = (mask[0].detach().cpu().clamp(0, 1) * 255).round().to(torch.uint8)
    Image.fromarray(pixels.numpy()).save(content, format="PNG")
    write_atomically(file, [content.getvalue()])


def read_validity(data: bytes, size: tuple[int, int], box: tuple[int, int, int, int], side: int) -> Tensor:
    """The mask [1, side, side] of a photo of this size (width, height), of which the box is taken at this side.

    Raises AlbumError with the reason where it is no mask of such a photo.
    """
    try:
        image = decode(data)
    except AlbumError as error:
        raise AlbumError(f"its mask is {error}") from error
    if image.size != size:
        (width, height), (photo_width, photo_height) = image.size, size
        raise AlbumError(f"its mask is {width}x{height}, and the photo {photo_width}x{photo_height}")
    share = np.array(image.convert("L").resize((side, side), Image.Resampling.BILINEAR, box=box))
    mask = torch.from_numpy(share)[None].float() / 255
    if mask.mean() < LEAST:
        raise AlbumError(
            f"its mask leaves {mask.mean():.0%} of it: white is what is real, and at least {LEAST:.0%} must be"
        )
    return mask
