"""A stranger's picture file opened: by the decoders that are in use, and held against what a photo may be.

Nothing of its pixels is read here. Pillow's own bound, 89 million pixels with a warning and 179 without a picture, is
below what telephones write; that of gpk is below, and a large photo is held against its file besides: a few kilobytes
do not become a gigabyte.
"""

from __future__ import annotations

import io
import threading
from typing import BinaryIO

from PIL import Image

from gpk.errors import AlbumError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
"""Pillow's decoders in use; the others, some of which run programs, are never tried on a stranger's file."""
MAPS = (b"P5", b"P6")
"""How a PGM or PPM begins whose pixels are bytes, as old sets of faces have them; pixels in letters are not read."""
HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
"""What an HEIC or HEIF file calls itself, behind its first box's size and `ftyp`."""
MOST_PIXELS = 2**28
"""Of a photo: telephones write 200 million. Pillow keeps an RGB pixel in four bytes."""
USUAL_PIXELS = 2**26
"""Up to these nobody asks how a photo came to be so small a file."""
PIXELS_OF_A_BYTE = 128
"""The most that a large photo has for each byte of its file; of one colour alone a JPEG has about 90."""
_LIMIT = threading.Lock()


def formats_of(stream: BinaryIO) -> tuple[str, ...]:
    """The decoders to try on this file; raises AlbumError where it is HEIC and nothing here reads that."""
    head = stream.read(12)
    stream.seek(-len(head), io.SEEK_CUR)
    if head.startswith(MAPS):
        return ("PPM",)
    if head[4:8] != b"ftyp" or head[8:12] not in HEIF_BRANDS:
        return FORMATS
    try:
        from pillow_heif import register_heif_opener
    except ImportError as error:
        raise AlbumError('HEIC is not read here: pip install "gpk[photos]", or convert it to PNG or JPEG') from error
    register_heif_opener(thumbnails=False)  # that one alone: Pillow's search for plugins would find others' too
    return ("HEIF",)


def opened(stream: BinaryIO, formats: tuple[str, ...]) -> Image.Image:
    """The picture, none of its pixels read yet. Pillow's limit, which all of a process shares, is ours meanwhile."""
    with _LIMIT:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, MOST_PIXELS // 2  # it raises beyond twice as many
        try:
            return Image.open(stream, formats=formats)
        finally:
            Image.MAX_IMAGE_PIXELS = before


def is_large(width: int, height: int) -> bool:
    """Whether it has more pixels than photos usually have."""
    return width * height > USUAL_PIXELS


def require_photo(image: Image.Image, stream: BinaryIO) -> None:
    """Raises AlbumError for a file that would unpack to far more than a photo of its bytes does."""
    if not is_large(*image.size):
        return
    at = stream.tell()
    size = stream.seek(0, io.SEEK_END)
    stream.seek(at)
    if image.width * image.height > size * PIXELS_OF_A_BYTE:
        raise AlbumError(f"unreadable: {image.width}x{image.height} pixels in {size:,} bytes, which no photo has")
