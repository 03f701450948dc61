"""lap1 is a distance: nothing between equals, more for more, and the same for a pair whatever else is in the batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gpk.errors import InputError
from gpk.judges import FeatureDistance
from gpk.registry import Registry
from gpk.seeding import seeded
from gpk_module.pyramid import load


@pytest.mark.parametrize("side", [4, 28, 33, 64])
def test_distance(side: int) -> None:
    lap1 = load(None)
    a, b = (torch.rand(2, 3, side, side, generator=seeded(n)) * 2 - 1 for n in (1, 2))
    assert isinstance(lap1, FeatureDistance)
    assert lap1(a, a).tolist() == [0, 0]
    assert (lap1(a, b) > lap1(a, (a + b) / 2)).all()
    torch.testing.assert_close(lap1(a, b), torch.cat([lap1(a[:1], b[:1]), lap1(a[1:], b[1:])]))
    torch.testing.assert_close(lap1(a, b), lap1(b, a))
    assert lap1(-torch.ones(1, 3, side, side), torch.ones(1, 3, side, side)).item() == pytest.approx(2)


def test_bands_add_up() -> None:
    image = torch.rand(1, 3, 16, 16, generator=seeded(0))
    bands = load(None).features(image)
    assert [band.shape[-1] for band in bands] == [16, 8, 4]


def test_it_has_no_weights() -> None:
    with pytest.raises(InputError, match=r"lap1 has no weights: leave some\.pt out"):
        load(Path("some.pt"))


def test_it_is_offered() -> None:
    card = Registry.discover().judge("lap1")
    assert card.kind == "distance"
    assert card.load(None)(torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8)).item() == 1
