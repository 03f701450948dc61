"""Sampling and resizing in other words: torch's numbers and gradients."""

import pytest
import torch
from torch import Tensor

from gpk import portable
from gpk.seeding import seeded


@pytest.fixture(params=[torch.float32, torch.float64], ids=str)
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    return request.param


def gradients(out: Tensor, *leaves: Tensor) -> tuple[Tensor, ...]:
    weight = torch.randn(out.shape, generator=seeded(9), dtype=out.dtype)
    return torch.autograd.grad((out * weight).sum(), leaves)


def test_sampling(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    image = torch.randn(3, 4, 5, 7, generator=seeded(0), dtype=dtype, requires_grad=True)
    places = 3 * torch.rand(3, 6, 8, 2, generator=seeded(1), dtype=dtype) - 1.5
    places[0, 0] = torch.tensor([[1, 1], [-1, -1], [0, 0], [1e6, 0], [-1, 1], [1.1, -1.1], [0.9, 0.9], [0, -1e6]])
    places.requires_grad_()
    own = portable.sampled_at(image, places)
    monkeypatch.setattr(portable, "SAMPLING", {"cpu"})
    ours = portable.sampled_at(image, places)
    torch.testing.assert_close(ours, own)
    for got, expected in zip(gradients(ours, image, places), gradients(own, image, places), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(64, 64), (12, 12), (8, 20), (37, 41)], ids=str)
def test_resizing(shape: tuple[int, int], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    image = torch.randn(2, 3, *shape, generator=seeded(0), dtype=dtype, requires_grad=True)
    own = portable.resized_to(image, 16)
    monkeypatch.setattr(portable, "RESIZING", {"cpu"})
    ours = portable.resized_to(image, 16)
    torch.testing.assert_close(ours, own, rtol=1e-5, atol=1e-5)
    (got,), (expected,) = gradients(ours, image), gradients(own, image)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


def test_every_sample_of_a_batch_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portable, "SAMPLING", {"cpu"})
    images, places = torch.randn(3, 2, 4, 4, generator=seeded(0)), torch.rand(3, 5, 6, 2, generator=seeded(1)) * 2 - 1
    together = portable.sampled_at(images, places)
    for i in range(3):
        assert torch.equal(portable.sampled_at(images[i : i + 1], places[i : i + 1])[0], together[i])
    mapped = torch.vmap(lambda image, at: portable.sampled_at(image[None], at[None])[0])(images, places)
    torch.testing.assert_close(mapped, together)
