"""One raw photo read: who is in it, a crop of each at the generator's side, and everything that is measured on pixels.

    ALBUM/photos/IMG_0001-3fa9c2.png       the crop; -2, -3, ... are of further faces, which nobody may want
    ALBUM/masks/photos/....png             its mask, where it reaches over the photo's edge (`gpk_photos.validity`)
    ALBUM/.prepare/small/....png           the whole photo, small: for the contact sheet, where there is no crop

A reading depends on the file's bytes and name alone, so photos are read in any order, in many threads, and only once.

Shapes: R side of a crop.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from PIL import Image
from torch import Tensor

from gpk.errors import AlbumError
from gpk.framing import Square
from gpk_photos.contents import Reader
from gpk_photos.crop import cropped
from gpk_photos.decode import decode, in_turn, tensor
from gpk_photos.duplicates import glance, perceptual_hash
from gpk_photos.quality import Quality, emptiness, luminance, quality_of
from gpk_photos.validity import write_validity
from gpk_photos.write import write_png

CROPS, SMALL = "photos", ".prepare/small"
"""Folders of an album."""
FACES = 4
"""Faces that are cut out of one photo: of a crowd the surest."""
THUMBNAIL = 128
"""Pixels of the longer side of the whole photo, small."""
LONGEST_NAME = 60
"""Letters of a photo's name in its crop's."""

Find = Callable[[Image.Image, str], Sequence[Square]]
"""The squares to cut out of the photo of this name, the surest first. Raises AlbumError with the reason for none."""


@dataclass(frozen=True)
class Face:
    """A crop's path in the album, its square in the upright photo, the share of it that the photo has, its quality, its
    hash and a glance at it (`gpk_photos.duplicates`).
    """

    crop: str
    square: Square
    real: float
    quality: Quality
    look: int
    glance: str = ""


@dataclass(frozen=True)
class Reading:
    """What was read of a photo: the sha256 of its file, its sides in pixels, the hash of the whole and its faces;
    `trouble` says why there is none, and `small` is the name of the whole photo's small picture.
    """

    sha256: str
    width: int = 0
    height: int = 0
    look: int = 0
    faces: tuple[Face, ...] = ()
    trouble: str = ""
    small: str = ""


def sha256_of(read: Reader) -> tuple[bytes, str, str]:
    """A file's bytes and their sha256, or nothing and why it can't be read."""
    try:
        content = read()
    except AlbumError as error:
        return b"", "", str(error)
    return content, hashlib.sha256(content).hexdigest(), ""


def take(name: str, content: bytes, sha256: str, *, find: Find, side: int, album: Path) -> Reading:
    """Reads the photo of this name, and writes its crops into `album`. A photo that is none is a reading too.

    `side` is that of the crops, in pixels. Raises RunError where one cannot be written.
    """
    with in_turn(content):
        return _taken(name, content, sha256, find, side, album)


def _taken(name: str, content: bytes, sha256: str, find: Find, side: int, album: Path) -> Reading:
    try:
        image = decode(content)
    except AlbumError as error:
        return Reading(sha256, trouble=str(error))
    crop = crop_name(name, sha256)
    whole = image.copy()
    whole.thumbnail((THUMBNAIL, THUMBNAIL))
    small = tensor(whole)
    write_png(album / SMALL / f"{crop}.png", small)
    trouble, faces = "", ()
    try:
        squares = find(image, name)
        trouble = "" if squares else _nobody(small)
        faces = tuple(
            _face(image, square, f"{CROPS}/{crop}{_further(k)}.png", side, album)
            for k, square in enumerate(squares[:FACES])
        )
    except AlbumError as error:
        trouble = str(error)
    return Reading(sha256, *image.size, perceptual_hash(small), faces, trouble, f"{crop}.png")


def crop_name(name: str, sha256: str) -> str:
    r"""A crop's name without its ending: the photo's, in letters that every system takes, and six digits that tell it
    from others.

    >>> crop_name("cats/=tom\n.jpg", "00")
    'tom-534870'
    """
    stem = re.sub(r"[^\w.-]+", "_", PurePosixPath(name).stem, flags=re.ASCII).strip("._-")[:LONGEST_NAME]
    return f"{stem or 'photo'}-{hashlib.sha256(f'{name} {sha256}'.encode()).hexdigest()[:6]}"


def _nobody(small: Tensor) -> str:
    """Why nobody was found in a photo [3, H, W]."""
    y = luminance(small)
    return emptiness(y.std().item(), y.mean().item()) or "nobody found: `--crop box.csv` says where somebody is"


def _face(image: Image.Image, square: Square, name: str, side: int, album: Path) -> Face:
    crop = cropped(image, square, side)
    write_png(album / name, crop.picture)
    write_validity(album, name, crop.mask)
    quality = quality_of(crop.picture, scale=square.side / side)
    seen = perceptual_hash(crop.picture), glance(crop.picture)
    return Face(name, square, crop.mask.mean().item(), quality, *seen)


def _further(place: int) -> str:
    return f"-{place + 1}" if place else ""
