"""A crop undoes a known turn, size and place; beyond the photograph is its mirror image, and the mask says so."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from gpk.framing import Square, middle
from gpk_photos.crop import cropped
from gpk_photos.decode import tensor


def waves(x: Tensor, y: Tensor) -> Tensor:
    """A smooth picture [3, ...] that is known at every place of the unit square."""
    return torch.stack([(9 * x + 4 * y).sin(), (7 * y - 3 * x * x).cos(), (11 * x * y + 2 * y).sin()]) * 0.8


def centres(width: int, height: int) -> tuple[Tensor, Tensor]:
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return x, y


def photographed(square: Square, width: int, height: int) -> Image.Image:
    """A photograph whose `square` shows `waves`, upright."""
    x, y = centres(width, height)
    turn = math.radians(square.roll)
    x, y = x - square.x, y - square.y
    across = (x * math.cos(turn) + y * math.sin(turn)) / square.side + 0.5
    down = (y * math.cos(turn) - x * math.sin(turn)) / square.side + 0.5
    pixels = ((waves(across, down) + 1) * 127.5).round().clamp(0, 255).byte()
    return Image.fromarray(pixels.permute(1, 2, 0).numpy())


def psnr(a: Tensor, b: Tensor) -> float:
    return 10 * math.log10(4 / (a - b).square().mean().item())


@pytest.mark.parametrize(
    "square",
    [
        Square(150, 110, 100),
        Square(143.3, 101.8, 61.7, 17),
        Square(160.2, 120.9, 150, -28),
        Square(400, 300, 500, 9),
        Square(420, 310, 430, 180),
    ],
    ids=str,
)
def test_a_crop_undoes_a_known_similarity(square: Square) -> None:
    width, height = (300, 230) if square.side < 200 else (800, 650)
    picture, mask = cropped(photographed(square, width, height), square, 64)
    x, y = centres(64, 64)
    wanted = waves(x / 64, y / 64)
    assert picture.shape == (3, 64, 64)
    assert mask.shape == (1, 64, 64)
    real = mask[0] == 1
    assert real.float().mean() > 0.75
    assert psnr(picture[:, real], wanted[:, real]) > 38


def test_whole_pixels_come_bit_for_bit() -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (40, 50, 3), np.uint8))
    picture, mask = cropped(image, Square(25, 20, 16), 16)
    assert torch.equal(picture, tensor(image)[:, 12:28, 17:33])
    assert (mask == 1).all()
    assert torch.equal(cropped(image, middle(50, 40), 40).picture, tensor(image)[:, :, 5:45])


def test_beyond_the_edge_is_the_mirror_image_and_the_mask_is_exact() -> None:
    rng = np.random.default_rng(1)
    image = Image.fromarray(rng.integers(0, 256, (20, 20, 3), np.uint8))
    picture, mask = cropped(image, Square(4, 18, 16), 16)  # four columns to the left, six rows below
    whole = tensor(image)
    assert mask[0, :10, 4:].min() == 1
    assert mask[0, 10:].max() == 0
    assert mask[0, :, :4].max() == 0
    assert torch.equal(picture[:, :10, :4], whole[:, 10:20, :4].flip(2))
    assert torch.equal(picture[:, 10:, 4:], whole[:, 14:20, :12].flip(1))


def test_a_pixel_that_is_partly_beyond_the_edge_is_partly_real() -> None:
    image = Image.new("RGB", (64, 64), (9, 9, 9))
    _, mask = cropped(image, Square(32, 32, 84), 10)  # ten of the photograph's pixels beyond, 8.4 to one
    assert mask[0, 5, 5] == 1
    assert mask[0, 0].max() == 0
    assert mask[0, 5, 1] == pytest.approx(6.8 / 8.4, abs=0.03)
    _, turned = cropped(image, Square(32, 32, 64, 45), 64)
    assert turned[0, 32, 32] == 1
    assert turned.mean() == pytest.approx(2 * math.sqrt(2) - 2, abs=2e-3)  # an octagon is left of the square
    assert turned[0, 0, 0] == 0


def test_a_square_far_larger_than_the_photograph_is_mirrored_again_and_again() -> None:
    image = Image.fromarray((10 * np.arange(25)).astype(np.uint8).reshape(5, 5)).convert("RGB")
    picture, mask = cropped(image, Square(2.5, 2.5, 35), 35)
    assert torch.equal(picture[:, 15:20, 15:20], tensor(image))
    assert torch.equal(picture[:, 15:20, 25:30], tensor(image))  # twice mirrored
    assert mask.sum() == 25


def test_nothing_is_aliased() -> None:
    """A grating finer than the picture's pixels is grey."""
    stripes = np.zeros((600, 600, 3), np.uint8)
    stripes[:, ::2] = 255
    for roll in (0, 12):
        picture = cropped(Image.fromarray(stripes), Square(300, 300, 400, roll), 50).picture
        assert picture.abs().max() < 0.03
