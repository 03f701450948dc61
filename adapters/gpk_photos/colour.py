"""Colours brought to sRGB, the space that generators were trained in.

Phones write Display P3 and print shops CMYK; without the file's ICC profile skin turns grey or green.
"""

import io

import numpy as np
from PIL import Image, ImageCms

from gpk.errors import AlbumError

BACKDROP = (255, 255, 255, 255)
"""White behind transparent pixels: what viewers and print show, and what most cut-out portraits were made for."""


def in_srgb(image: Image.Image) -> Image.Image:
    """The loaded picture as 8-bit RGB over white. Raises AlbumError where its numbers have no agreed range."""
    profile = image.info.get("icc_profile")
    if image.mode in ("F", "I"):
        raise AlbumError("unreadable: 32-bit pixels have no agreed range: save it as an 8-bit PNG")
    if image.mode.startswith("I;16"):
        # By hand, since Pillow's own conversion clips at 255 instead of scaling: 65535 = 255 * 257.
        values = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((values + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, BACKDROP), image).convert("RGB")
    elif image.mode != "CMYK":
        image = image.convert("RGB")
    return _without_profile(image, profile) if profile else image.convert("RGB")


def _without_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """RGB or CMYK of the given ICC profile, as sRGB."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" not in ImageCms.getProfileDescription(source):
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            image = converted or image
    except (ImageCms.PyCMSError, OSError, ImportError):
        pass  # A broken profile, or a Pillow built without littleCMS, is no reason to lose the photo.
    return image.convert("RGB")
