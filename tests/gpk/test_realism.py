"""The gap between pictures and photographs: none where there is none, more of it the more pictures are spoilt."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gpk.realism import natural_statistics, realism_gap

SIDE = 48


def scenes(count: int, seed: int) -> Tensor:
    """Pictures of discs that hide one another (dead leaves), whose statistics are much like those of photographs (Lee
    et al., 2001).
    """
    rng = torch.Generator().manual_seed(seed)
    down, across = torch.meshgrid(torch.arange(4.0 * SIDE), torch.arange(4.0 * SIDE), indexing="ij")
    pictures = torch.zeros(count, 3, 4 * SIDE, 4 * SIDE)
    for picture in pictures:
        for _ in range(250):
            x, y, size = (torch.rand(3, generator=rng) * 4 * SIDE).tolist()
            radius = 2 + 40 * (size / 4 / SIDE) ** 4
            inside = (across - x) ** 2 + (down - y) ** 2 < radius**2
            picture[:, inside] = torch.rand(3, 1, generator=rng) * 2 - 1
    return F.avg_pool2d(pictures, 4)


@pytest.fixture(scope="module")
def photos() -> Tensor:
    return scenes(12, 1)


def blurred(x: Tensor, strength: int) -> Tensor:
    for _ in range(strength):
        x = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return x


def noisy(x: Tensor, strength: int) -> Tensor:
    return x + 0.05 * strength * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))


def chequered(x: Tensor, strength: int) -> Tensor:
    places = torch.arange(SIDE)
    return x + 0.03 * strength * ((places[:, None] + places) % 2 * 2 - 1)


def test_pictures_that_are_the_photos_have_none(photos: Tensor) -> None:
    assert realism_gap(photos, photos) == 0
    assert realism_gap(scenes(12, 2), photos) < 0.3


@pytest.mark.parametrize("spoil", [blurred, noisy, chequered])
def test_the_more_they_are_spoilt_the_wider_it_is(photos: Tensor, spoil: Callable[[Tensor, int], Tensor]) -> None:
    others = scenes(12, 2)
    gaps = [realism_gap(spoil(others, strength), photos).item() for strength in range(4)]
    assert gaps == sorted(gaps)
    assert gaps[1] > 2 * gaps[0]


def test_brightness_and_contrast_hardly_matter(photos: Tensor) -> None:
    assert realism_gap(0.8 * photos + 0.1, photos) < 0.25


def test_what_was_made_up_beyond_the_edge_says_nothing(photos: Tensor) -> None:
    masks = torch.ones(len(photos), 1, SIDE, SIDE)
    masks[..., 30:] = 0
    cut = photos * masks
    torch.testing.assert_close(natural_statistics(cut, masks), natural_statistics(photos, masks), rtol=1e-4, atol=1e-5)
    assert realism_gap(photos, cut, masks) < 0.3 < realism_gap(photos, cut)
    assert natural_statistics(photos, 0 * masks).isfinite().all()


def test_pictures_that_are_plain_or_alone_have_a_number() -> None:
    plain = torch.zeros(1, 3, 16, 16)
    assert realism_gap(plain, plain) == 0
    assert realism_gap(plain, scenes(1, 3)).isfinite()
