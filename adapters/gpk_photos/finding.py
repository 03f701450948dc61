"""Where in a photo the crops are: what a detector finds, the photo's middle, all of it, or what the user says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from PIL import Image

from gpk.detector import Detector, Found
from gpk.errors import AlbumError
from gpk.framing import Framing, Square, middle
from gpk_photos.boxes import read_boxes
from gpk_photos.decode import tensor
from gpk_photos.reading import Find

LOOKED_AT = 1280
"""Pixels of the longer side at which a detector looks at a photo: a face of a tenth of it has 128 still."""
SEEN = 0.5
"""Share of a box that must lie in the photo: of less there would be more invented than seen."""


def by_detector(load: Callable[[], Detector], framing: Framing) -> Find:
    """Every face that the detector finds, cut by this rule; `faces` tells them from what else it finds. Each thread
    loads a detector of its own: OpenCV's may not be shared.
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
        found = faces(own.detector(tensor(shrunk)), *shrunk.size)
        return [framing.square(each.scaled(factor)) for each in found]

    return find


def faces(found: Sequence[Found], width: float, height: float) -> list[Found]:
    """Those of what was found in a photo, the surest first, that lie in it, and are no part of a surer one: to a
    cascade an eye or a nose is a face now and then.
    """
    kept: list[Found] = []
    for each in found:
        if _seen(each, width, height) >= SEEN and not any(_part_of(each, other) for other in kept):
            kept.append(each)
    return kept


def _seen(found: Found, width: float, height: float) -> float:
    """The share of the box that lies in the photo."""
    left, top, right, bottom = found.box
    across, down = min(right, width) - max(left, 0), min(bottom, height) - max(top, 0)
    return max(across, 0) * max(down, 0) / max((right - left) * (bottom - top), 1e-6)


def _part_of(found: Found, other: Found) -> bool:
    """Whether its middle lies in the other's box, and it is no larger."""
    (x, y), (left, top, right, bottom) = found.centre, other.box
    return left <= x <= right and top <= y <= bottom and found.side <= other.side


def in_the_middle(image: Image.Image, name: str) -> Sequence[Square]:
    """The central square."""
    return [middle(*image.size)]


def as_it_is(image: Image.Image, name: str) -> Sequence[Square]:
    """The photo itself; raises AlbumError where it is not square."""
    if image.width != image.height:
        raise AlbumError(f"not square: {image.width}x{image.height}, and nothing was to be cut (--crop none)")
    return [middle(*image.size)]


def by_boxes(file: Path, names: Collection[str]) -> Find:
    """The user's squares, of photos called `names`. Raises InputError where the file cannot be used."""
    boxes = read_boxes(file, names)

    def find(image: Image.Image, name: str) -> Sequence[Square]:
        if name not in boxes:
            raise AlbumError("no line of the boxes' file is about it")
        square = Framing().square(boxes[name])
        if not (0 <= square.x <= image.width and 0 <= square.y <= image.height):
            raise AlbumError(f"its box lies outside: the photo is {image.width}x{image.height}")
        return [square]

    return find


def labelled(find: Find, labels: Mapping[str, object]) -> Find:
    """Photos that have a camera label as they are, since a crop would change what it says; the others by `find`."""
    return lambda image, name: as_labelled(image) if name in labels else find(image, name)


def as_labelled(image: Image.Image) -> Sequence[Square]:
    """The photo itself; raises AlbumError where it is not square."""
    if image.width != image.height:
        raise AlbumError(f"not square: {image.width}x{image.height}, and a crop would no longer fit its camera label")
    return [middle(*image.size)]
