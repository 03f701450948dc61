"""Pictures written whole or not at all, and marked where a generator made them.

Shapes: H height, W width.
"""

from __future__ import annotations

import io
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from gpk_checkpoints.atomic import write_atomically
from gpk_photos.decode import ORIENTATION, TURNS
from gpk_runs.pictures import to_image, write_picture

BACK = {
    Image.Transpose.ROTATE_90: Image.Transpose.ROTATE_270,
    Image.Transpose.ROTATE_270: Image.Transpose.ROTATE_90,
}
"""What undoes a turn; every other one undoes itself."""


def write_png(path: Path, image: Tensor, *, synthetic: bool = False) -> None:
    """Writes `image` [3, H, W] in [-1, 1], clamped, as an 8-bit PNG; `synthetic` marks it as generated in its metadata.

    Raises ValueError where it is no picture, RunError where it cannot be written.
    """
    write_picture(path, _picture(path, image), synthetic=synthetic)


def write_jpeg(path: Path, image: Tensor, *, orientation: int = 1, quality: int = 90) -> None:
    """Writes `image` [3, H, W] in [-1, 1], clamped, as a JPEG that lies as a camera held so would leave it.

    `orientation` is EXIF's, 1 to 8. Raises as `write_png` does.
    """
    picture, exif = _picture(path, image), Image.Exif()
    if orientation != 1:
        picture = picture.transpose(BACK.get(TURNS[orientation], TURNS[orientation]))
        exif[ORIENTATION] = orientation
    content = io.BytesIO()
    picture.save(content, format="JPEG", quality=quality, exif=exif)
    write_atomically(path, [content.getvalue()])


def _picture(path: Path, image: Tensor) -> Image.Image:
    if image.ndim != 3 or image.shape[0] != 3:
        raise ValueError(f"a picture has the shape [3, H, W], not {list(image.shape)}")
    if not torch.isfinite(image).all():
        raise ValueError(f"{path.name}: the picture has a number that is not finite")
    return to_image(image)
