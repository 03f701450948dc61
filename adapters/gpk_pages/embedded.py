"""Pictures as data: URIs, under a budget of bytes for all of them together.

Where the files as they are would be too many bytes, they are encoded anew, as WebP: step by step smaller and coarser,
at each step first those that are called `plain`, until all fit. A few of them tell how large the others will be, so
that hundreds are encoded once. XMP, which says that a picture is synthetic, is kept.

The bytes that count are those of the page: base64 makes four of three.
"""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from PIL import Image

from gpk_runs.picture_files import UNREADABLE, open_picture, read_bytes

Key = TypeVar("Key", bound=Hashable)
SIDES = (512, 384, 256, 192, 128)
"""Widths that are tried, in pixels."""
QUALITY = (84, 80, 76, 72, 66)
"""WebP's, at each of them."""
TRIED = 4
"""Pictures that tell how large the others will be."""
LONGEST = 16383
"""Pixels of a side that WebP can have."""
FORMATS = {"WEBP": "image/webp", "PNG": "image/png"}
"""Media types by Pillow's names."""


class Picture(NamedTuple):
    """A file, and whether it is `plain`: made smaller before the others are."""

    path: Path
    plain: bool = False


def embed(pictures: Mapping[Key, Picture], *, budget: int, sides: Sequence[int] = SIDES) -> dict[Key, str]:
    """The pictures as URIs, of no more than `budget` characters together; what is no whole WebP or PNG is left out.

    `sides` are the widths that are tried, from the first on, and past the last one by halves.
    """
    whole = {key: picture for key, picture in pictures.items() if _is_whole(picture.path)}
    if sum(_encoded(picture.path.stat().st_size) for picture in whole.values()) <= budget:
        return {key: uri(picture.path.read_bytes()) for key, picture in whole.items()}
    plain, others = 0, 0
    while True:
        widths = {True: _width(sides, plain), False: _width(sides, others)}
        if _estimate(list(whole.values()), widths) <= budget:
            small = {key: _smaller(picture.path, *widths[picture.plain]) for key, picture in whole.items()}
            made = {key: uri(content) for key, content in small.items() if content}
            if sum(map(len, made.values())) <= budget or widths[False][0] <= 1:
                return made
        plain, others = (plain + 1, others) if plain == others else (plain, others + 1)


def still(path: Path) -> str | None:
    """The first frame of an animation as a URI; None where the file is no picture."""
    if not _is_whole(path):
        return None
    file = io.BytesIO()
    try:
        with open_picture(read_bytes(path), list(FORMATS)) as image:
            image.convert("RGB").save(file, format="WEBP", quality=85, xmp=_xmp(image))
    except UNREADABLE:  # its ends are whole, and what is between them is not
        return None
    return uri(file.getvalue())


def uri(content: bytes) -> str:
    """The bytes of a WebP or PNG as a URI."""
    kind = FORMATS["PNG" if content.startswith(b"\x89PNG") else "WEBP"]
    return f"data:{kind};base64,{b64encode(content).decode()}"


def _width(sides: Sequence[int], step: int) -> tuple[int, int]:
    """Width and quality of a step."""
    if step < len(sides):
        return sides[step], QUALITY[min(step, len(QUALITY) - 1)]
    return max(1, sides[-1] >> (step - len(sides) + 1)), QUALITY[-1]


def _estimate(pictures: Sequence[Picture], widths: Mapping[bool, tuple[int, int]]) -> float:
    """Characters of all of them at these widths, judged by a few of each kind."""
    total = 0.0
    for kind, (width, quality) in widths.items():
        alike = [picture for picture in pictures if picture.plain is kind]
        few = alike[:: max(1, -(-len(alike) // TRIED))]
        total += sum(_encoded(len(_smaller(p.path, width, quality))) for p in few) * len(alike) / max(1, len(few))
    return total


def _smaller(path: Path, width: int, quality: int) -> bytes:
    """The picture as a WebP no wider than `width`, or the file as it is where that is smaller; nothing where its pixels
    are damaged.
    """
    file = io.BytesIO()
    try:
        content = read_bytes(path)
        with open_picture(content, list(FORMATS)) as image:
            kept = _xmp(image)
            fits = max(image.width / width, image.height / LONGEST) <= 1
            small = image.convert("RGB")
        small.thumbnail((width, LONGEST))
        small.save(file, format="WEBP", quality=quality, method=2, xmp=kept)
    except UNREADABLE:
        return b""
    made = file.getvalue()
    return content if fits and len(content) <= len(made) else made


def _is_whole(path: Path) -> bool:
    """Whether that is a WebP or PNG, and not cut short; its pixels are not looked at."""
    try:
        content = read_bytes(path)
        open_picture(content, list(FORMATS)).close()
    except UNREADABLE:
        return False
    if content.startswith(b"RIFF"):
        return len(content) >= 8 + int.from_bytes(content[4:8], "little")
    return b"IEND" in content[-12:]


def _xmp(image: Image.Image) -> bytes:
    """The picture's XMP, which a WebP has as bytes and a PNG as text; anybody's file may have anything there."""
    told = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    return told if isinstance(told, bytes) else told.encode() if isinstance(told, str) else b""


def _encoded(size: int) -> int:
    """Characters of the URI of that many bytes."""
    return (size + 2) // 3 * 4 + len("data:image/webp;base64,")
