"""The personal region: coordinates, projection and travel stay what they promise."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gpk.errors import InputError
from gpk.hull import LatentHull


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(params=[(6, 16), (6, 3, 16), (20, 5)], ids=["w", "w+", "dependent"])
def anchors(request: pytest.FixtureRequest) -> Tensor:
    return torch.randn(request.param, generator=rng())


@pytest.mark.parametrize("beta", [0.0, 0.1])
def test_samples_lie_in_the_region(anchors: Tensor, beta: float) -> None:
    alpha = LatentHull(anchors, beta=beta).sample(200, rng())
    assert torch.allclose(alpha.sum(1), torch.ones(200), atol=1e-5)
    assert alpha.min() >= -beta - 1e-6
    assert ((alpha != 0).sum(1) <= 3).all()
    if beta:
        assert alpha.min() < 0  # the dilation is used


def test_coordinates_of_a_point_of_the_hull_give_it_back(anchors: Tensor) -> None:
    hull = LatentHull(anchors)
    w = hull.points(hull.sample(10, rng()))
    alpha = hull.coordinates(w)
    assert torch.allclose(alpha.sum(1), torch.ones(10), atol=1e-4)
    assert torch.allclose(hull.points(alpha), w, atol=1e-4)


def test_projection_is_the_nearest_of_many_points(anchors: Tensor) -> None:
    hull = LatentHull(anchors, beta=0.05)
    w = 3 * torch.randn(4, *anchors.shape[1:], generator=rng())
    alpha = hull.project(w)
    assert torch.allclose(alpha.sum(1), torch.ones(4), atol=1e-5)
    assert alpha.min() >= -0.05 - 1e-5
    reached = (hull.points(alpha) - w).flatten(1).norm(dim=1)
    others = hull.points(hull.sample(500, rng(), corners=len(hull)))
    assert (reached <= (others[None] - w[:, None]).flatten(2).norm(dim=2).amin(1) + 1e-5).all()


def test_projection_leaves_points_inside_where_they_are(anchors: Tensor) -> None:
    hull = LatentHull(anchors)
    w = hull.points(hull.sample(5, rng(), corners=len(hull)))
    assert torch.allclose(hull.points(hull.project(w)), w, atol=1e-3)


def test_soft_coordinates_stay_inside(anchors: Tensor) -> None:
    hull = LatentHull(anchors, beta=0.03)
    free = (0.2 * torch.randn(8, len(hull), generator=rng()) + 1 / len(hull)).requires_grad_()
    alpha = hull.soften(free)
    assert torch.allclose(alpha.sum(1), torch.ones(8), atol=1e-5)
    (gradient,) = torch.autograd.grad(hull.points(alpha).square().sum(), free)
    assert gradient.abs().sum() > 0


def test_travel_at_the_edge() -> None:
    hull = LatentHull(torch.eye(3))
    alpha = torch.tensor([[0.2, 0.3, 0.5]])
    direction = torch.tensor([[-1.0, 0.5, 0.5]])
    amounts = torch.tensor([0.1, 1.0])
    beyond = hull.travel(alpha, direction, amounts, edge="continue")
    assert torch.allclose(beyond[0, 1], torch.tensor([-0.8, 0.8, 1.0]))
    stopped = hull.travel(alpha, direction, amounts, edge="stop")
    assert torch.allclose(stopped[0, 0], beyond[0, 0])
    assert torch.allclose(stopped[0, 1], torch.tensor([0.0, 0.4, 0.6]))
    back = hull.travel(alpha, direction, amounts, edge="project")
    assert torch.allclose(back.sum(2), torch.ones(1, 2))
    assert back.min() >= 0


def test_a_direction_in_the_span_is_followed(anchors: Tensor) -> None:
    hull = LatentHull(anchors)
    step = (anchors[1] - anchors[0])[None]
    change = hull.direction(step)
    assert change.sum().abs() < 1e-4
    assert torch.allclose(hull.points(change), step, atol=1e-4)


def test_no_hull_of_nothing() -> None:
    with pytest.raises(InputError, match=r"a hull needs anchors \[N, D\] or \[N, L, D\], not \[0, 4\]"):
        LatentHull(torch.zeros(0, 4))
    with pytest.raises(InputError, match="beta must be at least 0"):
        LatentHull(torch.zeros(2, 4), beta=-0.1)
