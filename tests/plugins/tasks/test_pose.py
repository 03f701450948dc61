"""Cameras of photos that came without any: the search, the descent, the album's subject, going on where it stopped."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from corekit.album import Album
from corekit.bench import Bench, Silence
from corekit.errors import AlbumError, InputError, RecipeError
from corekit.latents import latent_statistics
from corekit.order import seeded
from corekit.plugin import Backend, Card
from gpk_eg3d.network import EG3D
from gpk_stylegan2.network import StyleGAN2
from gpk_tasks.pose import Posed, Posing, certainty, estimated, prior_codes
from gpk_tasks.pose_descent import descended
from gpk_tasks.pose_search import Grid, marginal, peaks, searched

SMALL = Posing(columns=5, rows=3, codes=2, steps=3, side=32)


def absolute(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().mean((1, 2, 3))


def bench_of(generator: EG3D | StyleGAN2) -> Bench:
    card = Card("small", "Small", "none")
    backend = Backend("small", "Small", (card,), lambda config: generator, cameras=generator.orbit() is not None)
    nothing = Album(torch.empty(0, 3, 32, 32), ())
    return Bench(backend, card, generator, absolute, nothing, Silence())


@pytest.fixture
def bench(eg3d: EG3D) -> Bench:
    return bench_of(eg3d)


def pictures(bench: Bench, codes: Tensor, yaw: list[float], pitch: list[float]) -> Tensor:
    """What the generator shows of codes [N, L, D] at these angles."""
    return bench.generator(codes, bench.generator.orbit(torch.tensor(yaw), torch.tensor(pitch))).image


def grid_of(settings: Posing) -> Grid:
    s = settings
    return Grid(torch.linspace(-s.yaw, s.yaw, s.columns), torch.linspace(-s.pitch, s.pitch, s.rows))


def test_gradients_reach_the_angles_through_the_orbit(eg3d: EG3D) -> None:
    """Against finite differences, in every number of the pose."""
    angles = torch.tensor([[0.3, -0.1], [0.2, -0.4]]).requires_grad_()
    weights = torch.randn(2, 4, 4, generator=seeded(1))

    def value(yaw: Tensor, pitch: Tensor) -> Tensor:
        return (eg3d.orbit(yaw, pitch).pose * weights).sum()

    value(*angles).backward()
    assert angles.grad is not None
    step = 1e-2
    for index in range(4):
        offset = torch.zeros(4)
        offset[index] = step
        offset = offset.view(2, 2)
        slope = (value(*(angles.detach() + offset)) - value(*(angles.detach() - offset))) / (2 * step)
        assert angles.grad.flatten()[index].item() == pytest.approx(slope.item(), abs=2e-3)


def test_smoke(bench: Bench) -> None:
    codes = prior_codes(bench, SMALL)
    photos = pictures(bench, codes[[1, 1, 1]], [0.3, -0.2, 0.0], [0.1, 0.0, -0.2])
    posed = estimated(bench, photos, SMALL)
    print(posed.yaw, posed.pitch, posed.confidence, posed.residual)
