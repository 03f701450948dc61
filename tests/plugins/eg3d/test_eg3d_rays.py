import math

import pytest
import torch

from gpk_eg3d.planes import sampled
from gpk_eg3d.rays import expected_depth, importance, march, stratified


def test_stratified_samples_lie_in_their_strata(rng: torch.Generator) -> None:
    like = torch.zeros(())
    fixed = stratified(2, 3, 5, start=1, end=3, like=like, rng=None)
    assert torch.equal(fixed, (torch.arange(5) * 0.5 + 1.25).expand(2, 3, 5))
    drawn = stratified(2, 3, 5, start=1, end=3, like=like, rng=rng)
    assert ((drawn - fixed).abs() <= 0.25).all()
    assert drawn.diff(dim=-1).gt(0).all()
    assert drawn.flatten().unique().numel() == drawn.numel()


def test_marching_a_uniform_fog_is_beer_lambert() -> None:
    depths = torch.linspace(0, 2, 9).expand(1, 1, 9)
    intervals, samples = march(depths, torch.full((1, 1, 9), 1.5))
    density = math.log1p(math.exp(0.5))
    assert intervals.sum().item() == pytest.approx(1 - math.exp(-2 * density), rel=1e-5)
    torch.testing.assert_close(samples.sum(), intervals.sum())


def test_marching_is_alpha_times_transmittance(rng: torch.Generator) -> None:
    depths = torch.rand(2, 3, 7, generator=rng).sort(-1).values
    densities = 5 * torch.randn(2, 3, 7, generator=rng)
    middle = (densities[..., 1:] + densities[..., :-1]) / 2
    alpha = 1 - torch.exp(-torch.nn.functional.softplus(middle - 1) * depths.diff(dim=-1))
    before = torch.cat([torch.ones(2, 3, 1), torch.cumprod(1 - alpha + 1e-10, -1)[..., :-1]], -1)
    intervals, samples = march(depths, densities)
    torch.testing.assert_close(intervals, alpha * before)
    values = torch.randn(2, 3, 7, generator=rng)
    midpoints = (values[..., 1:] + values[..., :-1]) / 2
    torch.testing.assert_close((samples * values).sum(-1), (intervals * midpoints).sum(-1))


def test_gain_and_offset_act_on_the_density(rng: torch.Generator) -> None:
    depths, densities = torch.linspace(0, 1, 6).expand(1, 2, 6), torch.randn(1, 2, 6, generator=rng)
    shifted = march(depths, densities, gain=12, offset=-2)[0]
    torch.testing.assert_close(shifted, march(depths, 12 * densities - 2)[0])


def test_an_opaque_far_shell_lets_nothing_through(rng: torch.Generator) -> None:
    depths, densities = torch.linspace(0, 1, 6).expand(1, 2, 6), torch.randn(1, 2, 6, generator=rng)
    closed, opened = (march(depths, densities, opaque_far=far)[0] for far in (True, False))
    torch.testing.assert_close(closed.sum(-1), torch.ones(1, 2))
    assert torch.equal(closed[..., :-1], opened[..., :-1])


def test_importance_goes_where_the_weight_is() -> None:
    depths = torch.linspace(2, 3, 21).expand(1, 1, 21)
    weights = torch.zeros(1, 1, 20)
    weights[..., 8] = 1
    fine = importance(depths, weights, 50, rng=None)
    assert fine.diff(dim=-1).ge(0).all()
    assert ((fine - 2.425).abs() < 0.1).float().mean() > 0.8


def test_importance_never_reaches_the_last_midpoint() -> None:
    depths = torch.linspace(2, 3, 11).expand(1, 1, 11)
    assert importance(depths, torch.ones(1, 1, 10), 1000, rng=None).max() <= 2.85 + 1e-6


def test_the_depth_of_nothing_is_the_farthest_and_has_a_gradient() -> None:
    depths = torch.linspace(1, 2, 5).expand(1, 2, 5)
    weights = torch.tensor([[[0.0, 1, 1, 0, 0], [0.0, 0, 0, 0, 0]]], requires_grad=True)
    depth = expected_depth(depths, weights)
    torch.testing.assert_close(depth, torch.tensor([[1.375, 2.0]]))
    depth.sum().backward()
    assert weights.grad is not None
    assert weights.grad.isfinite().all()


def test_the_depth_of_next_to_nothing_is_not_rounding(rng: torch.Generator) -> None:
    depths = 2.25 + 1.05 * torch.rand(1, 500, 96, generator=rng).sort(-1).values
    densities = torch.randn(1, 500, 96, generator=rng) - 12
    weights = march(depths, densities)[1]
    assert weights.sum(-1).max() < 1e-4
    exact = expected_depth(depths.double(), march(depths.double(), densities.double())[1])
    torch.testing.assert_close(expected_depth(depths, weights).double(), exact, atol=1e-5, rtol=0)
    middle = (densities[..., 1:] + densities[..., :-1]) / 2
    rounded = 1 - torch.exp(-torch.nn.functional.softplus(middle - 1) * depths.diff(dim=-1))  # the formula, literally
    rough = (rounded * (depths[..., 1:] + depths[..., :-1]) / 2).sum(-1) / rounded.sum(-1)
    assert (rough - exact).abs().max() > 0.05


def test_planes_are_read_along_their_axes() -> None:
    planes = torch.zeros(1, 3, 1, 4, 4)
    planes[0, 0, 0, 0, 3] = 3.0  # first row: least second coordinate; last column: greatest first coordinate
    points = torch.zeros(1, 1, 3, 3)
    points[0, 0, 0] = torch.tensor([0.375, -0.375, 0.1])  # the centre of that cell in a box of side 1
    points[0, 0, 1] = torch.tensor([-0.375, 0.375, 0.1])
    points[0, 0, 2] = torch.tensor([0.9, -0.9, 0.1])  # outside of the box
    found = sampled(planes, points, axes=("xy", "xz", "zx"), box_warp=1.0)
    torch.testing.assert_close(found, torch.tensor([1.0, 0, 0]).view(1, 1, 1, 3))
    turned = sampled(planes, points, axes=("yx", "xz", "zx"), box_warp=1.0)
    torch.testing.assert_close(turned, torch.tensor([0.0, 1, 0]).view(1, 1, 1, 3))
