"""Pictures in a window."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gpk_view.frame import GROUND, LONGEST, MOST, UNCOVERED, frame

WHITE, BLACK = torch.ones(1, 3, 16, 16), -torch.ones(1, 3, 16, 16)
WINDOWS = [(1280, 800), (800, 800), (390, 844), (2560, 1440), (300, 2000), (2000, 90)]


def boxes(made: Tensor, colour: int) -> tuple[int, int, int, int]:
    """Left, top, width and height of what has this grey, which must be a whole rectangle."""
    there = (made == colour).all(2)
    rows, columns = there.any(1).nonzero()[:, 0], there.any(0).nonzero()[:, 0]
    top, left, height, width = rows[0], columns[0], len(rows), len(columns)
    assert there[top : top + height, left : left + width].all()
    assert there.sum() == width * height
    return int(left), int(top), width, height


@pytest.mark.parametrize(("width", "height"), WINDOWS)
def test_a_picture_is_a_square_in_a_frame_of_the_windows_shape(width: int, height: int) -> None:
    made = frame(WHITE, width, height)
    high, wide, _ = made.shape
    assert wide / high == pytest.approx(width / height, rel=0.01)
    left, top, across, down = boxes(made, 255)
    assert across == down <= MOST
    assert abs(left - (wide - left - across)) <= 1  # in the middle
    assert made[0, 0].tolist() == list(GROUND)
    if height > width:
        assert (top + down) / high < UNCOVERED
    else:
        assert abs(top - (high - top - down)) <= 1


@pytest.mark.parametrize(("width", "height"), WINDOWS)
def test_two_pictures_stand_side_by_side(width: int, height: int) -> None:
    made = frame(torch.cat([BLACK, WHITE]), width, height)
    first, second = boxes(made, 0), boxes(made, 255)
    assert first[1:] == second[1:]
    assert first[0] + first[2] < second[0]
    assert second[0] + second[2] <= made.shape[1]


def test_a_large_picture_keeps_its_pixels_and_a_small_window_its_own() -> None:
    large = torch.rand(1, 3, 1024, 1024) * 2 - 1
    assert frame(large, 4000, 2000).shape[0] > 1024
    assert frame(large, 300, 200).shape == (200, 300, 3)


def test_zooming_shows_the_middle() -> None:
    picture = BLACK.clone()
    picture[..., 4:12, 4:12] = 1
    assert boxes(frame(picture, 400, 400, zoom=2.0), 255) == boxes(frame(WHITE, 400, 400), 255)


@pytest.mark.parametrize("window", [(70_000, 100), (100, 70_000), (2**53, 1), (1, 2**53), (2**53, 2**53)])
def test_a_window_of_far_too_much_has_a_frame_of_bounded_size(window: tuple[int, int]) -> None:
    made = frame(torch.cat([BLACK, WHITE]), *window)
    assert max(made.shape) <= LONGEST
    assert made.numel() < 2**23


@pytest.mark.parametrize("window", [(1, 1), (5, 3), (3, 500)])
def test_a_window_of_almost_nothing_has_a_frame(window: tuple[int, int]) -> None:
    assert frame(torch.cat([BLACK, WHITE]), *window).dtype == torch.uint8
    assert frame(5 * WHITE, *window).max() == 255
