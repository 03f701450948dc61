"""Pictures as files that say they are synthetic, where they are.

The XMP packet names gpk's version and IPTC's digital source type `trainedAlgorithmicMedia` ("created using generative
AI"): viewers and platforms read it there (IPTC Photo Metadata Standard 2023.1, "Digital Source Type").

Shapes: H height, W width.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path, PurePosixPath

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from gpk.pixels import to_bytes
from gpk_checkpoints.atomic import write_atomically

SYNTHETIC = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""The digital source type of everything that a generator made."""
XMP = f"""\
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreatorTool="gpk {version("gpk")}"
 Iptc4xmpExt:DigitalSourceType="{SYNTHETIC}"/>
</rdf:RDF></x:xmpmeta>
"""
"""The packet."""
COMMENT = f"Created using generative AI (IPTC trainedAlgorithmicMedia) by gpk {version('gpk')}"
"""The same in a sentence, for files that take no XMP."""
BY_GPK = re.compile(rb"""CreatorTool(=["']|>)gpk |by gpk """)
"""What tells gpk's mark from that of another program, which may have written it anew."""
EXACT = 128
"""The widest picture that is kept exactly, in pixels."""


def to_image(picture: Tensor) -> Image.Image:
    """A picture [3, H, W], or grey [1, H, W], in [-1, 1] as 8-bit RGB; values beyond are clipped."""
    pixels = to_bytes(picture).cpu().expand(3, -1, -1).permute(1, 2, 0).contiguous()
    return Image.fromarray(pixels.numpy(), mode="RGB")


def write_picture(path: Path, picture: Tensor | Image.Image, *, synthetic: bool = True) -> None:
    """Replaces the PNG at `path` by the picture, [3, H, W] or [1, H, W] in [-1, 1] where it is a tensor, marked as
    synthetic or not. Raises RunError where it cannot be written.
    """
    image = to_image(picture) if isinstance(picture, Tensor) else picture
    write_atomically(path, [png(image, synthetic=synthetic)])


def png(image: Image.Image, *, synthetic: bool = True) -> bytes:
    """The picture as PNG, marked as synthetic or not."""
    info, file = PngInfo(), io.BytesIO()
    if synthetic:
        info.add_itxt("XML:com.adobe.xmp", XMP)
    image.save(file, format="PNG", pnginfo=info)
    return file.getvalue()


def write_small(path: Path, picture: Tensor, *, synthetic: bool, side: int = 512) -> None:
    """Replaces the WebP at `path` by the picture [3, H, W], no side beyond `side` pixels, marked as synthetic or not.

    Raises RunError where it cannot be written.

    Small pictures are kept exactly: enlarged, as they will be, they would show what WebP does to colours.
    """
    image, file = to_image(picture), io.BytesIO()
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    exact = image.width <= EXACT
    image.save(file, format="WEBP", lossless=exact, quality=75 if exact else 90, xmp=XMP.encode() if synthetic else b"")
    write_atomically(path, [file.getvalue()])


def made_by_gpk(content: bytes) -> bool:
    """Whether the bytes of a picture's file say that gpk made it; other programs' generated pictures may be photos."""
    return b"trainedAlgorithmicMedia" in content and BY_GPK.search(content) is not None


def stems(names: Sequence[str]) -> list[str]:
    """Names for the files of photos with these `names`, as short as they can be and still differ.

    >>> stems(["a/cat.jpg", "b/cat.jpg", "cat.png"])
    ['a-cat', 'b-cat', 'cat']
    >>> stems(["cat.jpg", "cat.png"])
    ['cat.jpg', 'cat.png']
    >>> stems(["a/cat.jpg", "a-cat.jpg"])
    ['0-a-cat.jpg', '1-a-cat.jpg']
    """
    short = [str(PurePosixPath(name).with_suffix("")).replace("/", "-") for name in names]
    often = Counter(short)
    chosen = [stem if often[stem] == 1 else name.replace("/", "-") for stem, name in zip(short, names, strict=True)]
    twice = {stem for stem, count in Counter(chosen).items() if count > 1}  # a/cat.jpg and a-cat.jpg
    return [f"{number}-{stem}" if stem in twice else stem for number, stem in enumerate(chosen)]
