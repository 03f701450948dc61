"""Rules of detectors: what finds faces and heads in photographs.

A card whose package or model file is absent is skipped, with what its ExtraError says. Nobody but its author has
pictures of what a detector finds: the rules on what is found are of those that the specimen is given, and of whatever
it sees in noise.

Shapes: H and W sides of a picture.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from importlib.metadata import EntryPoint

import torch
from torch import Tensor
from torch.nn import functional as F

from gpk.detector import Detector, Found
from gpk.errors import ExtraError
from gpk.plugin import DetectorCard
from gpk.seeding import seeded
from gpk.testing.building import imports_lightly
from gpk.testing.rule import ContractError, NotPromisedError, Rule

SIZES = ((1, 1), (8, 200), (300, 20), (480, 640))
"""Heights and widths of pictures that hold nobody."""
NEAR = 0.25
"""Of a box's side: how far it may be off in the same picture twice as large."""


@dataclass(frozen=True)
class DetectorSpecimen:
    """A card's detector; `pictures` [3, H, W] in [-1, 1] show somebody whom it finds; `plugin` is where it is offered,
    None where the card was given by itself.
    """

    card: DetectorCard
    pictures: tuple[Tensor, ...] = ()
    plugin: EntryPoint | None = None

    @cached_property
    def detect(self) -> Detector:
        """The detector as it is without a file; NotPromisedError where it cannot be had so."""
        try:
            return self.card.load(None)
        except ExtraError as error:
            raise NotPromisedError(str(error)) from error

    def shown(self) -> list[Tensor]:
        """The pictures, and one of noise."""
        return [*self.pictures, noise(96, 128)]


def noise(height: int, width: int) -> Tensor:
    """Soft noise [3, H, W] in [-1, 1]."""
    coarse = torch.rand(1, 3, max(height // 8, 1), max(width // 8, 1), generator=seeded(1)) * 2 - 1
    return F.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)[0]


def tells_what_it_found(specimen: DetectorSpecimen) -> None:
    """`load` gives a function of a picture [3, H, W] in [-1, 1] that returns a sequence of Found, empty where there is
    nobody.
    """
    if not callable(specimen.detect):
        raise ContractError(f"load returned a {type(specimen.detect).__name__}: it is a function of a picture")
    for picture in specimen.shown():
        found = specimen.detect(picture)
        if not isinstance(found, Sequence) or not all(isinstance(each, Found) for each in found):
            raise ContractError(f"of a picture it says {found!r:.80}: it is a sequence of Found, empty where nobody is")


def places_are_in_pixels(specimen: DetectorSpecimen) -> None:
    """Boxes have sides above 0, all numbers are finite, landmarks are 2 or 5 near their box, and the surest is first:
    crops are cut by them.
    """
    for picture in specimen.shown():
        found = specimen.detect(picture)
        if [each.score for each in found] != sorted((each.score for each in found), reverse=True):
            raise ContractError(f"scores come as {[each.score for each in found][:5]}: the surest is first. Sort them")
        for each in found:
            _require_place(each)


def _require_place(found: Found) -> None:
    left, top, right, bottom = found.box
    if not all(map(math.isfinite, (*found.box, found.score, found.roll, *(found.turn or ())))):
        raise ContractError(f"it found {astuple(found)}, not all of it finite")
    if right <= left or bottom <= top:
        raise ContractError(f"a box is {found.box}: it is (left, top, right, bottom) in pixels, each side above 0")
    if found.landmarks is None:
        return
    if len(found.landmarks) not in (2, 5):
        raise ContractError(
            f"it has {len(found.landmarks)} landmarks: both eyes, or with the nose and the mouth's corners five"
        )
    x, y = found.centre
    far = max(math.dist((x, y), mark) for mark in found.landmarks)
    if not far <= 1.5 * found.side:
        raise ContractError(
            f"a landmark is {far:.0f} pixels off the middle of a box of {found.side:.0f}: places are in pixels of the "
            "whole picture, x before y"
        )


def looks_at_any_size(specimen: DetectorSpecimen) -> None:
    """Pictures of any size are looked at, a single pixel and a plain wall too: one bad photo must not end an album."""
    for height, width in SIZES:
        for what, picture in (("noise", noise(height, width)), ("one grey", torch.zeros(3, height, width))):
            try:
                specimen.detect(picture)
            except Exception as error:  # whatever it raises, it is theirs
                told = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
                raise ContractError(
                    f"a picture of {what}, {width} x {height}, raised {told}. Return nothing where nobody can be seen"
                ) from error


def says_the_same_again(specimen: DetectorSpecimen) -> None:
    """Of the same picture it says the same, leaves it as it is, and does not touch torch's global randomness: an album
    that is prepared again is the same album.
    """
    _ = specimen.detect  # now it is loaded
    state = torch.random.get_rng_state()
    for picture in specimen.shown():
        given = picture.clone()
        first, again = specimen.detect(given), specimen.detect(given)
        if list(first) != list(again):
            raise ContractError("asked twice it says different things: look for randomness, and for state that is kept")
        if not torch.equal(given, picture):
            raise ContractError("it changes the picture that it is shown, which belongs to the caller. Copy it first")
    if not torch.equal(torch.random.get_rng_state(), state):
        raise ContractError("it draws from torch's global randomness: jobs would not repeat. Draw from a seed")


def threads_have_their_own(specimen: DetectorSpecimen) -> None:
    """Two that were loaded apart may look at once, and say what one alone says: photos are read in many threads."""
    _ = specimen.detect  # skips what cannot be had
    both, pictures = [specimen.card.load(None) for _ in range(2)], specimen.shown()
    said: list[list[Found] | None] = [None, None]

    def look(place: int) -> None:
        said[place] = [each for picture in pictures for each in both[place](picture)]

    threads = [threading.Thread(target=look, args=(place,)) for place in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone = [each for picture in pictures for each in specimen.detect(picture)]
    if any(told != alone for told in said):
        raise ContractError("two threads, each with a detector of its own, say something else than one: share nothing")


def finds_what_it_is_for(specimen: DetectorSpecimen) -> None:
    """Of each picture of its subject it says where that is; twice as large, at twice as many pixels."""
    if not specimen.pictures:
        raise NotPromisedError("no picture of what it finds: name some in `pictures`")
    for picture in specimen.pictures:
        height, width = picture.shape[-2:]
        found = specimen.detect(picture)
        if not found:
            raise ContractError(f"in a picture that shows its subject, {width} x {height}, it finds nobody")
        x, y = found[0].centre
        if not (0 <= x <= width and 0 <= y <= height):
            raise ContractError(f"the middle of a box, {x:.0f}, {y:.0f}, is beyond a picture of {width} x {height}")
        large = F.interpolate(picture[None], scale_factor=2, mode="bilinear", align_corners=False)[0]
        again = [each.scaled(0.5) for each in specimen.detect(large)]
        apart = min((math.dist(each.centre, (x, y)) for each in again), default=math.inf)
        if not apart <= NEAR * found[0].side:
            raise ContractError(
                f"in the picture twice as large a box of {found[0].side:.0f} pixels is off by {apart:.0f} of them: "
                "places are in pixels of the picture that is shown, however it is looked at"
            )


DETECTOR_RULES: tuple[Rule[DetectorSpecimen], ...] = (
    Rule(imports_lightly),
    Rule(tells_what_it_found, basic=True),
    Rule(places_are_in_pixels),
    Rule(looks_at_any_size),
    Rule(says_the_same_again),
    Rule(threads_have_their_own),
    Rule(finds_what_it_is_for),
)
