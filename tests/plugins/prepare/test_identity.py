"""Whose album it is: the majority, and not who stands nearest."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from gpk_prepare.identity import main_identity


def people(counts: list[int], spread: float, seed: int = 0) -> Tensor:
    """Features [sum of counts, 64] of so many pictures of each of several people."""
    rng = torch.Generator().manual_seed(seed)
    centres = F.normalize(torch.randn(len(counts), 64, generator=rng), dim=1)
    rows = torch.cat([centres[i].repeat(count, 1) for i, count in enumerate(counts)])
    return F.normalize(rows + spread * torch.randn(rows.shape, generator=rng) / 8, dim=1)


def test_the_most_frequent_identity_is_found_with_strangers_and_without() -> None:
    features = people([12, 4, 1, 1], 0.6)
    for others in (None, people([1] * 30, 0.0, seed=1)):
        found = main_identity(features, range(18), others)
        assert found is not None
        assert found.least is not None
        assert (found.likeness(features) >= found.least).tolist() == [True] * 12 + [False] * 6


def test_one_person_alone_is_not_parted() -> None:
    features = people([20], 0.8)
    found = main_identity(features, range(20))
    assert found is not None
    assert found.least is None
    found = main_identity(features, range(20), people([1] * 30, 0.0, seed=1))
    assert found is not None
    assert (found.likeness(features) >= (found.least or 2)).all()


def test_a_crowd_in_one_photo_is_no_majority() -> None:
    mine, crowd = people([4], 0.5), people([1, 9], 0.3, seed=2)[1:]
    found = main_identity(torch.cat([mine, crowd]), [0, 1, 2, 3, *[4] * 9], people([1] * 30, 0.0, seed=1))
    assert found is not None
    assert found.likeness(mine).min() > found.likeness(crowd).max()


def test_two_photos_have_no_majority() -> None:
    assert main_identity(people([2], 0.1), [0, 1]) is None
