"""The detector of procedural cats: what the bundled weights find."""

from __future__ import annotations

import math

import pytest
import torch

from gpk_minicat.finder import load_finder
from gpk_prior.train_finder import exam, examine


def test_bundled_weights_find_heads_that_no_training_saw() -> None:
    found = examine(load_finder(), 6)
    assert found["recall"] >= 0.9
    assert found["false finds"] <= 0.2
    assert found["middle %, median"] < 4
    assert found["side %, median"] < 6
    assert found["roll degrees, median"] < 4


def test_a_large_photo_is_found_as_a_small_one() -> None:
    test = exam(1)
    (photo, square), find = (test.photos[0], test.squares[0]), load_finder()
    assert square is not None
    large = torch.nn.functional.interpolate(photo[None], scale_factor=4, mode="bilinear")[0]
    for picture, scale in ((photo, 1), (large, 4)):
        (head, *_) = find(picture)
        assert math.dist(head.centre, (square.x * scale, square.y * scale)) < 0.06 * square.side * scale
        assert head.side == pytest.approx(square.side * scale, rel=0.1)
