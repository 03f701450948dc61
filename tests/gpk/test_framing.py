"""The squares that training sets cut, against numbers worked out by hand; and what a detector says of a picture."""

from __future__ import annotations

import math

import pytest

from gpk.detector import Found
from gpk.framing import EG3D_SHARE, EYE_TO_MOUTH, Framing, Square, middle

FACE = ((100.0, 100.0), (140.0, 100.0), (120.0, 122.0), (104.0, 150.0), (136.0, 150.0))
"""Eyes 40 apart, the mouth 50 below them."""


def approximately(square: Square) -> object:
    return pytest.approx((square.x, square.y, square.side, square.roll), abs=1e-9)


def numbers(square: Square) -> tuple[float, ...]:
    return square.x, square.y, square.side, square.roll


def turned(point: tuple[float, float], degrees: float) -> tuple[float, float]:
    """Around (120, 105)."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x, y = point[0] - 120, point[1] - 105
    return 120 + c * x - s * y, 105 + s * x + c * y


def test_ffhq_by_hand() -> None:
    # a = (40, 0), b = (0, 50), x = a - (-50, 0) = (90, 0) brought to max(80, 90) = 90; c = (120, 100) + 0.1 b.
    found = Found((0, 0, 1, 1), landmarks=FACE)
    square = Framing("ffhq").square(found)
    assert numbers(square) == approximately(Square(120, 105, 180))
    assert square.quad == ((30, 15), (30, 195), (210, 195), (210, 15))
    wide = Found((0, 0, 1, 1), landmarks=(*FACE[:3], (104, 130), (136, 130)))  # 2 |a| = 80 is more than 1.8 |b| = 54
    assert numbers(Framing("ffhq").square(wide)) == approximately(Square(120, 103, 160))


def test_ffhq_stands_on_the_mean_of_eyes_and_mouth() -> None:
    """The eyes are level and the mouth is 10 to the right: x = (40, 0) - (-50, 10) = (90, -10)."""
    crooked = Found((0, 0, 1, 1), landmarks=(*FACE[:3], (114, 150), (146, 150)))
    square = Framing("ffhq").square(crooked)
    assert square.roll == pytest.approx(math.degrees(math.atan2(-10, 90)))
    assert (square.x, square.y) == pytest.approx((121, 105))
    assert square.side == pytest.approx(2 * 1.8 * math.hypot(10, 50))


@pytest.mark.parametrize("degrees", [-31, 12, 90])
def test_a_face_that_leans_is_cut_leaning(degrees: float) -> None:
    leaning = Found((0, 0, 1, 1), landmarks=tuple(turned(mark, degrees) for mark in FACE))
    assert numbers(Framing("ffhq").square(leaning)) == approximately(Square(120, 105, 180, degrees))


def test_eg3d_shows_the_middle_of_it() -> None:
    square = Framing("ffhq", scale=EG3D_SHARE).square(Found((0, 0, 1, 1), landmarks=FACE))
    assert numbers(square) == approximately(Square(120, 105, 180 * 700 / 1024))


def test_without_a_mouth_or_marks_a_face_is_as_faces_are() -> None:
    eyes = Found((0, 0, 1, 1), landmarks=FACE[:2])
    mouth = (120, 100 + 40 * EYE_TO_MOUTH)
    known = Found((0, 0, 1, 1), landmarks=(*FACE[:3], mouth, mouth))
    assert Framing("ffhq").square(eyes) == Framing("ffhq").square(known)
    box = Found((70, 60, 170, 160))  # eyes 40 % of the way down, 40 % apart
    assert numbers(Framing("ffhq").square(box)) == pytest.approx(numbers(Framing("ffhq").square(eyes)))
    leaning = Framing("ffhq").square(Found((70, 60, 170, 160), roll=20))
    assert (leaning.roll, leaning.side) == pytest.approx((20, Framing("ffhq").square(box).side))


def test_a_square_around_a_box_grows_and_moves_as_it_leans() -> None:
    found = Found((10, 20, 50, 40), roll=90)
    assert numbers(Framing().square(found)) == approximately(Square(30, 30, 40, 90))
    square = Framing(scale=2.0, shift=(0.0, 0.25)).square(found)  # "down" of a head that lies is to the left
    assert numbers(square) == approximately(Square(10, 30, 80, 90))
    assert numbers(middle(40, 30)) == approximately(Square(20, 15, 30))


def test_what_is_found_in_a_small_copy_is_somewhere_in_the_picture() -> None:
    small = Found((1, 2, 3, 5), 0.5, ((1, 2), (3, 4)), 7.0)
    assert small.scaled(4) == Found((4, 8, 12, 20), 0.5, ((4, 8), (12, 16)), 7.0)
    assert (small.centre, small.side) == ((2, 3.5), 3)
    assert Found((0, 0, 1, 1)).scaled(2).landmarks is None
