"""Image files as upright sRGB pictures and tensors, whatever a camera, a scanner or a messenger put in them.

Only the first frame of an animation counts. Colours of 16 bits a channel come down to 8, as Pillow reads them. What
telephones write, HEIC, is read by pillow-heif, an optional extra.

Shapes: H height, W width.
"""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from gpk.errors import AlbumError
from gpk.pixels import from_bytes
from gpk_checkpoints.budget import read_file
from gpk_photos.colour import in_srgb
from gpk_photos.contents import LARGEST_FILE

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
"""Pillow's decoders in use; the others, some of which run programs, are never tried on a stranger's file."""

HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
"""What an HEIC or HEIF file calls itself, behind its first box's size and `ftyp`."""

DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    NotImplementedError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise on damaged files, found by flipping bytes in good ones."""

MOST_PIXELS = 2**28
"""Of a photo: phones write 200 million, which take 0.6 GB as RGB."""
USUAL_PIXELS = 2**26
"""Up to these nobody asks how a photo came to be so small a file."""
PIXELS_OF_A_BYTE = 128
"""The most that a large photo has for each byte of its file; of one colour alone a JPEG has about 90."""
TOO_MANY = f"more pixels than a photo has, over {MOST_PIXELS / 1e6:,.0f} million: save it smaller"
_LIMIT = threading.Lock()

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


def decode(data: bytes | BinaryIO, *, least: int | None = None) -> Image.Image:
    """The picture in a file's bytes: 8-bit sRGB, upright. Raises AlbumError with the reason where there is none.

    With `least` a JPEG may come at a half, a quarter or an eighth of its size, as long as neither side falls below it:
    enough to look at, and several times as quick.
    """
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    formats = _formats(stream)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd metadata, which no one can act on
        try:
            with _opened(stream, formats) as image:
                _require_photo(image, stream)
                if least is not None:
                    image.draft(None, (least, least))
                image.load()
                return _upright(in_srgb(image), _orientation(image))
        except Image.DecompressionBombError as error:
            raise AlbumError(f"unreadable: {TOO_MANY}") from error
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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            stream = io.BytesIO(read())
            with _opened(stream, _formats(stream)) as image:
                return image.width == image.height
    except (AlbumError, Image.DecompressionBombError, UnidentifiedImageError, *DAMAGE):
        return True


def tensor(image: Image.Image) -> Tensor:
    """An RGB picture as [3, H, W] in [-1, 1]."""
    pixels = torch.from_numpy(np.array(image, dtype=np.uint8))
    return from_bytes(pixels.permute(2, 0, 1))


def _opened(stream: BinaryIO, formats: tuple[str, ...]) -> Image.Image:
    """The picture, none of its pixels read yet. Pillow's limit, which all of a process shares, is ours meanwhile."""
    with _LIMIT:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, MOST_PIXELS // 2  # it raises beyond twice as many
        try:
            return Image.open(stream, formats=formats)
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _require_photo(image: Image.Image, stream: BinaryIO) -> None:
    """Raises AlbumError for a file that would unpack to far more than a photo of its bytes does."""
    pixels = image.width * image.height
    if pixels <= USUAL_PIXELS:
        return
    at = stream.tell()
    size = stream.seek(0, io.SEEK_END)
    stream.seek(at)
    if pixels > size * PIXELS_OF_A_BYTE:
        raise AlbumError(f"unreadable: {image.width}x{image.height} pixels in {size:,} bytes, which no photo has")


def _formats(stream: BinaryIO) -> tuple[str, ...]:
    """The decoders to try on this file; raises AlbumError where it is HEIC and nothing here reads that."""
    head = stream.read(12)
    stream.seek(-len(head), io.SEEK_CUR)
    if head[4:8] != b"ftyp" or head[8:12] not in HEIF_BRANDS:
        return FORMATS
    try:
        from pillow_heif import register_heif_opener
    except ImportError as error:
        raise AlbumError('HEIC is not read here: pip install "gpk[photos]", or convert it to PNG or JPEG') from error
    register_heif_opener(thumbnails=False)  # that one alone: Pillow's search for plugins would find others' too
    return ("HEIF",)


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(ORIENTATION, 1)
    except DAMAGE:
        return 1  # The pixels are whole; only the note on how the camera was held is lost.


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    turn = TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)
