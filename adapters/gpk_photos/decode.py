"""Image files as upright sRGB pictures and tensors, whatever a camera, a scanner or a messenger put in them.

Only the first frame of an animation counts. Colours of 16 bits a channel come down to 8, as Pillow reads them. What
telephones write, HEIC, is read by pillow-heif, an optional extra; how it is turned its own boxes say (`irot`, `imir`:
HEIF, ISO/IEC 23008-12), and not its EXIF.

Shapes: H height, W width.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from gpk.errors import AlbumError
from gpk.pixels import from_bytes
from gpk_checkpoints.budget import read_file
from gpk_photos.code_points import note_cicp
from gpk_photos.colour import in_srgb
from gpk_photos.contents import LARGEST_FILE
from gpk_photos.opening import FORMATS, MOST_PIXELS, formats_of, is_large, opened, require_photo
from gpk_photos.quiet import quietly
from gpk_runs.picture_files import DAMAGE

BLOCK = 2**26
"""Bytes in which Pillow asks for a large photo's memory. What is smaller glibc keeps for the thread that freed it."""
_LARGE = threading.Lock()
ORIENTATION = 0x0112
"""EXIF's tag for how the camera was held."""

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What brings a picture upright, by the tag's value (CIPA DC-008, Exif, "Orientation")."""


def read_image(source: Path | bytes | BinaryIO) -> Tensor:
    """One picture [3, H, W] in [-1, 1], upright, sRGB, over white where it was transparent.

    Raises AlbumError with the reason, behind the file's name where it has one.
    """
    if isinstance(source, Path):
        try:
            data: bytes | BinaryIO = read_file(source, LARGEST_FILE, AlbumError)
        except OSError as error:
            raise AlbumError(f"{source}: cannot be read: {error.strerror}") from error
    else:
        data = source
    try:
        return tensor(decode(data))
    except AlbumError as error:
        if isinstance(source, Path):
            raise AlbumError(f"{source}: {error}") from error
        raise


def decode(data: bytes | BinaryIO, *, least: int | None = None, enough: int | None = None) -> Image.Image:
    """The picture in a file's bytes: 8-bit sRGB, upright. Raises AlbumError with the reason where there is none.

    With `least` a JPEG may come at a half, a quarter or an eighth of its size, as long as neither side falls below it:
    enough to look at, and several times as quick. With `enough` so may one of more pixels than photos usually have.
    """
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    formats = formats_of(stream)
    with quietly():
        try:
            note = note_cicp(stream)
            with opened(stream, formats) as image:
                require_photo(image, stream)
                image.info |= note
                asked = enough if is_large(*image.size) and least is None else least
                if asked is not None:
                    image.draft(None, (asked, asked))
                image.load()
                return _upright(in_srgb(image), _orientation(image))
        except Image.DecompressionBombError as error:
            most = f"{MOST_PIXELS / 1e6:,.0f} million"
            raise AlbumError(f"unreadable: more pixels than a photo has, over {most}: save it smaller") from error
        except UnidentifiedImageError as error:
            # Pillow's message names the stream or the absolute path.
            if formats != FORMATS:
                raise AlbumError("unreadable: HEIC, but damaged or cut off") from error
            raise AlbumError("unreadable: the content is no PNG, JPEG, WebP, BMP, TIFF, GIF or HEIC") from error
        except DAMAGE as error:
            raise AlbumError(f"unreadable: damaged or cut off ({error})") from error


def is_square(read: Callable[[], bytes]) -> bool:
    """Whether the picture in a file is as wide as high, told from its head alone; what is no picture is not asked."""
    try:
        width, height = _sides(read())
    except AlbumError:
        return True
    return width == height


@contextmanager
def in_turn(data: bytes) -> Iterator[None]:
    """Holds back other threads' large photos while the block works on this file, where it is one: each takes gigabytes.

    Other photos neither wait nor are waited for.
    """
    if not is_large(*_sides(data)):
        yield
        return
    with _LARGE:
        before = Image.core.get_block_size()
        Image.core.set_block_size(BLOCK)
        try:
            yield
        finally:
            Image.core.set_block_size(before)


def _sides(data: bytes) -> tuple[int, int]:
    """Width and height by the head of a file; 0, 0 where it is no picture."""
    stream = io.BytesIO(data)
    try:
        with quietly(), opened(stream, formats_of(stream)) as image:
            return image.size
    except (AlbumError, Image.DecompressionBombError, UnidentifiedImageError, *DAMAGE):
        return 0, 0


def tensor(image: Image.Image) -> Tensor:
    """An RGB picture as [3, H, W] in [-1, 1]."""
    pixels = torch.from_numpy(np.array(image, dtype=np.uint8))
    return from_bytes(pixels.permute(2, 0, 1))


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(ORIENTATION, 1)
    except DAMAGE:
        return 1  # The pixels are whole; only the note on how the camera was held is lost.


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    turn = TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)
