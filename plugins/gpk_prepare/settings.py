"""How raw photos are made an album: what is cut, whose faces, for which generator. Light: never imports torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from gpk.errors import InputError

Pick = Literal["main", "largest"] | int
"""Of several faces in a photo: the one of the identity that most photos show, the largest, or the N-th from the left.
"""

DETECT = "detect"
"""How squares are found where a detector says it."""


@dataclass(frozen=True)
class Preparation:
    """What decides the album, besides the photos: a folder of other settings is another album.

    `side` is the generator's in pixels, `cropped` how squares are found (detect, centre, none, or the digest of a
    boxes' file), `detector` and `judge` are names, `labels` the digest of the user's, where he has any.
    """

    backend: str
    card: str
    side: int
    cameras: bool
    cropped: str
    detector: str | None = None
    judge: str | None = None
    pick: Pick = "main"
    labels: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {"task": "prepare", **asdict(self)}


def read_pick(text: str) -> Pick:
    """What `--pick` says; raises InputError where it says nothing.

    >>> read_pick("largest"), read_pick("2")
    ('largest', 2)
    """
    match text.strip().lower():
        case "main" | "largest" as word:
            return word
        case number if number.isdecimal() and int(number) > 0:
            return int(number)
    raise InputError(f"--pick is main, largest, or a face's number from the left, counted from 1, not {text!r}")
