"""Colours brought to sRGB, the space that generators were trained in.

Phones write Display P3 and print shops CMYK; without what the file says of its colours skin turns grey or green. A file
says it by an ICC profile (ICC.1), by numbers (`gpk_photos.code_points`), or not at all. A profile is judged by what it
does to colours and never by its name: one whose description says sRGB may have a linear curve.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Literal

import numpy as np
from PIL import Image, ImageCms

from gpk.errors import AlbumError
from gpk_photos.code_points import CICP, space_of
from gpk_photos.spaces import Space

BACKDROP = (255, 255, 255, 255)
"""White behind transparent pixels: what viewers and print show, and what most cut-out portraits were made for."""
SAME = 2
"""Steps of 255 by which a profile may move a colour and still be sRGB's: profiles of the same space round otherwise."""
STEPS = 9
"""Values of each channel that a profile is judged by, besides the greys."""
PROFILES = 16
"""Profiles that are kept: an album has a handful."""
LARGEST_PROFILE = 2**24
"""Bytes of a profile: those of printers, which are tables, have one to four million."""


def in_srgb(image: Image.Image) -> Image.Image:
    """The loaded picture as 8-bit RGB over white. Raises AlbumError where its numbers have no agreed range, or what it
    says of its colours cannot be followed.
    """
    if image.mode in ("F", "I"):
        raise AlbumError("unreadable: 32-bit pixels have no agreed range: save it as an 8-bit PNG")
    profile, space = image.info.get("icc_profile"), space_of(image)
    if CICP in image.info:
        profile = None
    if isinstance(profile, bytes) and len(profile) > LARGEST_PROFILE:
        most = f"{LARGEST_PROFILE >> 20} MiB"
        raise AlbumError(f"its colour profile is larger than any is, over {most}: save it as JPEG or PNG in sRGB")
    if image.mode.startswith("I;16"):
        # By hand, since Pillow's own conversion clips at 255 instead of scaling: 65535 = 255 * 257.
        values = np.asarray(image).astype(np.uint32)
        image = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if not image.has_transparency_data:
        return _converted(image, profile, space)
    grey = image.mode == "LA"
    image = image if grey else image.convert("RGBA")
    alpha = image.getchannel("A")
    image = _converted(image.getchannel("L") if grey else image.convert("RGB"), profile, space)
    image.putalpha(alpha)
    return Image.alpha_composite(Image.new("RGBA", image.size, BACKDROP), image).convert("RGB")


def _converted(image: Image.Image, profile: object, space: Space | None) -> Image.Image:
    """An opaque picture as RGB in sRGB; a profile counts before code points do."""
    if isinstance(profile, bytes) and profile:
        if image.mode not in ("L", "CMYK", "RGB"):
            image = image.convert("RGB")
        for mode in (image.mode, "RGB"):  # grey pixels may come with a profile of RGB
            transform = _transform(profile, mode)
            if transform == "none":
                break
            if transform is not None:
                return ImageCms.applyTransform(_of_mode(image, mode), transform) or _of_mode(image, "RGB")
        return _of_mode(image, "RGB")
    image = _of_mode(image, "RGB")
    return image if space is None else Image.fromarray(space.in_srgb(np.asarray(image)))


def _of_mode(image: Image.Image, mode: str) -> Image.Image:
    """The picture in that mode: itself where it is, for Pillow would copy it."""
    return image if image.mode == mode else image.convert(mode)


@lru_cache(maxsize=PROFILES)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | Literal["none"] | None:
    """What brings pixels of that mode to sRGB; "none" where nothing has to, None where the profile is not for them, or
    broken, or Pillow was built without littleCMS: that is no reason to lose the photo.
    """
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        # Without littleCMS's cache of the last colour, which threads that read photos would share.
        made = ImageCms.buildTransform(
            source, ImageCms.createProfile("sRGB"), mode, "RGB", flags=ImageCms.Flags.NOCACHE
        )
    except (ImageCms.PyCMSError, OSError, ImportError):
        return None
    if mode == "CMYK":
        return made
    tried = _colours(mode)
    changed = np.asarray(ImageCms.applyTransform(tried, made)).astype(int) - np.asarray(tried.convert("RGB"))
    return "none" if np.abs(changed).max() <= SAME else made


def _colours(mode: str) -> Image.Image:
    """A picture with every grey, and in RGB with colours from everywhere."""
    greys = np.arange(256, dtype=np.uint8)
    if mode == "L":
        return Image.fromarray(greys[None])
    axis = np.linspace(0, 255, STEPS).round().astype(np.uint8)
    colours = np.stack(np.meshgrid(axis, axis, axis), -1).reshape(-1, 3)
    return Image.fromarray(np.concatenate([colours, np.stack([greys] * 3, -1)])[None])
