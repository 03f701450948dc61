"""What a detector finds and what of it is a face."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from gpk.detector import Found
from gpk.framing import Framing
from gpk_photos.finding import LOOKED_AT, by_detector, faces

HEAD = Found((100, 100, 300, 300), 5.0)


@pytest.mark.parametrize(
    ("other", "kept"),
    [
        (Found((180, 180, 240, 240), 1.0), False),  # an eye in it
        (Found((90, 110, 280, 300), 1.0), False),  # the same once more
        (Found((320, 100, 480, 260), 1.0), True),  # somebody beside it
        (Found((250, 250, 400, 400), 1.0), True),  # somebody whose box overlaps
        (Found((50, 50, 360, 360), 1.0), True),  # larger: the surer one may be an eye
        (Found((-60, 400, 40, 500), 1.0), False),  # mostly beyond the edge
        (Found((-60, 400, 140, 600), 1.0), True),
        (Found((600, 400, 600, 400), 1.0), False),  # nothing at all
    ],
)
def test_parts_of_faces_and_what_lies_outside_are_none(other: Found, kept: bool) -> None:
    assert faces([HEAD, other], 640, 640) == [HEAD, *([other] if kept else [])]


def test_large_photos_are_looked_at_smaller_and_cut_whole() -> None:
    seen = []

    def detect(picture: torch.Tensor) -> list[Found]:
        seen.append(picture.shape)
        return [HEAD]

    (square,) = by_detector(lambda: detect, Framing())(Image.new("RGB", (4 * LOOKED_AT, 2 * LOOKED_AT)), "a.jpg")
    assert seen == [(3, LOOKED_AT // 2, LOOKED_AT)]
    assert (square.x, square.y, square.side) == (800, 800, 800)
