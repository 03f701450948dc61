"""Where in a photo the crops are: what a detector finds, the photo's middle, the photo itself, or what the user says.

    file,left,top,side,roll
    IMG_0001.jpg,412,96,640,0

A line of the user's is a square in pixels of the photo as it is seen upright; `roll`, in degrees clockwise, may be left
out. Several lines of one photo are several faces.
"""

from __future__ import annotations

import csv
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from PIL import Image

from corekit.detector import Detector
from corekit.errors import AlbumError, InputError
from corekit.framing import Framing, Square, middle
from gpk_photos.decode import tensor
from gpk_photos.reading import Find

LOOKED_AT = 1280
"""Pixels of the longer side at which a detector looks at a photo: a face of a tenth of it has 128 still."""


def by_detector(load: Callable[[], Detector], framing: Framing) -> Find:
    """Every face that the detector finds, cut by this rule. Each thread loads a detector of its own: OpenCV's may not
    be shared.
    """
    own = threading.local()

    def find(image: Image.Image, name: str) -> Sequence[Square]:
        if not hasattr(own, "detector"):
            own.detector = load()
        shrunk = image
        if max(image.size) > LOOKED_AT:
            shrunk = image.copy()
            shrunk.thumbnail((LOOKED_AT, LOOKED_AT), Image.Resampling.LANCZOS)
        factor = image.width / shrunk.width
        return [framing.square(found.scaled(factor)) for found in own.detector(tensor(shrunk))]

    return find


def in_the_middle(image: Image.Image, name: str) -> Sequence[Square]:
    """The central square."""
    return [middle(*image.size)]


def as_it_is(image: Image.Image, name: str) -> Sequence[Square]:
    """The photo itself, where it is square."""
    if image.width != image.height:
        raise AlbumError(f"not square: {image.width}x{image.height}, and nothing was to be cut (--crop none)")
    return [middle(*image.size)]


def by_boxes(boxes: Mapping[str, Sequence[Square]]) -> Find:
    """The user's squares."""

    def find(image: Image.Image, name: str) -> Sequence[Square]:
        if name not in boxes:
            raise AlbumError("no line of the boxes' file is about it")
        for square in boxes[name]:
            if not (0 <= square.x <= image.width and 0 <= square.y <= image.height):
                raise AlbumError(f"its box lies outside: the photo is {image.width}x{image.height}")
        return boxes[name]

    return find


def labelled(find: Find, labels: Mapping[str, object]) -> Find:
    """Photos that have a camera label as they are, since a crop would change what it says; the others by `find`."""
    return lambda image, name: as_labelled(image) if name in labels else find(image, name)


def as_labelled(image: Image.Image) -> Sequence[Square]:
    """The photo itself, where it is square."""
    if image.width != image.height:
        raise AlbumError(f"not square: {image.width}x{image.height}, and a crop would no longer fit its camera label")
    return [middle(*image.size)]


def read_boxes(path: Path) -> dict[str, list[Square]]:
    """The user's squares by photo. Raises InputError that names the line."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            lines = [(rows.line_num, row) for row in rows]
            columns = rows.fieldnames or []
    except (OSError, UnicodeError, csv.Error) as error:
        raise InputError(f"cannot read {path} as a CSV file in UTF-8: {error}") from error
    if missing := [name for name in ("file", "left", "top", "side") if name not in columns]:
        raise InputError(f"{path} has no column {missing[0]!r}: its first line is file,left,top,side,roll")
    boxes: dict[str, list[Square]] = {}
    for number, row in lines:
        boxes.setdefault(row["file"] or "", []).append(_square(row, f"{path}, line {number}"))
    return boxes


def _square(row: Mapping[str, str | None], where: str) -> Square:
    try:
        left, top, side, roll = (float(row.get(name) or 0) for name in ("left", "top", "side", "roll"))
    except ValueError as error:
        raise InputError(f"{where}: {error}: left, top, side and roll are numbers") from error
    if not (side > 0 and all(map(math.isfinite, (left, top, side, roll)))):
        raise InputError(f"{where}: a box needs a side of more than 0 pixels, not {side:g}")
    return Square(left + side / 2, top + side / 2, side, roll)
