"""Directions: learned planes, conditions, units, and walks in the hull."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from torch import Tensor

from gpk.directions import (
    Direction,
    apart_from,
    check_direction,
    deviation,
    edited_codes,
    held_by,
    learn_direction,
    moved_along,
    one_step,
    sides,
)
from gpk.errors import InputError
from gpk.generator import Generator, fingerprint
from gpk.hull import Edge, LatentHull
from gpk.latents import LatentStatistics
from gpk.seeding import seeded

EDGES: tuple[Edge, ...] = get_args(Edge)
AMOUNTS = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0])


def unit(*numbers: float) -> Tensor:
    return torch.nn.functional.normalize(torch.tensor(numbers), dim=0)


@pytest.fixture
def codes() -> Tensor:
    """Codes [600, 5] that are far longer than wide."""
    return torch.randn(600, 5, generator=seeded(1)) * torch.tensor([4.0, 2.0, 1.0, 1.0, 0.5]) + 3


@pytest.fixture
def hull() -> LatentHull:
    """Six anchors of three layers of eight numbers."""
    return LatentHull(torch.randn(6, 3, 8, generator=seeded(2)), beta=0.05)


def test_the_normal_of_a_plane_is_found(codes: Tensor) -> None:
    normal = unit(0.2, -0.5, 1.0, 0.0, 0.7)
    plane = learn_direction(codes, codes @ normal + 9, share=0.3, penalty=1000.0)
    assert plane.normal @ normal > 0.99
    assert plane.normal.norm().item() == pytest.approx(1, abs=1e-6)
    assert plane.accuracy > 0.97
    assert (plane.learned, plane.tried) == (2 * 126, 2 * 54)


def test_it_points_to_the_higher_scores_and_the_seed_alone_splits(codes: Tensor) -> None:
    scores = codes[:, 2]
    there, back, again = learn_direction(codes, scores), learn_direction(codes, -scores), learn_direction(codes, scores)
    assert there.normal[2] > 0.5
    assert back.normal[2] < -0.5
    assert torch.equal(there.normal, again.normal)
    assert not torch.equal(there.normal, learn_direction(codes, scores, seed=1).normal)


def test_accuracy_is_of_codes_that_it_was_not_learned_from(codes: Tensor) -> None:
    wide = torch.randn(60, 200, generator=seeded(5))
    noise = torch.randn(
        60, generator=seeded(6)
    )  # nothing in the codes tells of it, but 200 numbers part 42 of anything
    assert learn_direction(wide, noise, share=0.5, penalty=1000.0).accuracy < 0.8


def test_codes_that_nobody_labelled_do_not_count(codes: Tensor) -> None:
    scores = codes[:, 0].clone()
    scores[::3] = math.nan
    kept = ~scores.isnan()
    assert torch.equal(learn_direction(codes, scores).normal, learn_direction(codes[kept], scores[kept]).normal)


def test_of_yes_and_no_every_code_counts(codes: Tensor) -> None:
    scores = (codes[:, 1] > 5).float()
    low, high = sides(scores, 0.1)
    assert sorted(torch.cat([low, high]).tolist()) == list(range(600))
    assert scores[high].eq(1).all()
    assert scores[low].eq(0).all()


def test_scores_that_part_nothing_are_told() -> None:
    codes = torch.randn(100, 4, generator=seeded(0))
    with pytest.raises(InputError, match="the scores of 100 codes do not part them: as many as 20% on each side"):
        learn_direction(codes, torch.ones(100), share=0.2)
    with pytest.raises(InputError, match="of 100 labelled codes 3 are on one side and 97 on the other"):
        learn_direction(codes, (torch.arange(100) < 3).float())
    with pytest.raises(InputError, match="of 30 labelled codes 3 are on one side and 3 on the other, and 8 are needed"):
        learn_direction(codes[:30], torch.arange(30.0), share=0.1)
    with pytest.raises(InputError, match="of 0 labelled codes"):
        learn_direction(codes, torch.full((100,), math.nan))


def test_apart_from_others_nothing_of_them_changes() -> None:
    normal, others = unit(1.0, 1.0, 1.0, 0.0), torch.stack([unit(1.0, 0.0, 0.0, 1.0), unit(1.0, 0.5, 0.0, 0.0)])
    rest = apart_from(normal, others)
    torch.testing.assert_close(others @ rest, torch.zeros(2), atol=1e-6, rtol=0)
    assert rest.norm().item() == pytest.approx(1)
    assert rest @ normal > 0
    torch.testing.assert_close(apart_from(unit(0.0, 0.0, 1.0, 0.0), others), unit(0.0, 0.0, 1.0, 0.0))
    with pytest.raises(InputError, match="nothing is left of the direction without the others"):
        apart_from(others[0] + others[1], others)


def test_an_amount_of_one_is_a_standard_deviation_of_the_codes(codes: Tensor) -> None:
    mean = codes.mean(0)
    values, vectors = torch.linalg.eigh((codes - mean).mT @ (codes - mean) / len(codes))
    root = (vectors * values.sqrt()) @ vectors.mT
    statistics = LatentStatistics(mean, root, (codes - mean).norm(dim=1).mean())
    d = unit(1.0, 2.0, 3.0, 0.0, -1.0)
    step = one_step(7 * d[None], statistics)
    assert step.norm().item() == pytest.approx((codes @ d).std(correction=0).item(), rel=1e-4)
    torch.testing.assert_close(step[0] / step.norm(), d)
    layers = torch.stack([torch.zeros(5), 0.5 * d, 2 * d])  # the last layer moves most
    torch.testing.assert_close(one_step(layers, statistics)[2], step[0])
    assert deviation(layers, statistics) == pytest.approx(step.norm().item())


@pytest.mark.parametrize("edge", EDGES)
def test_an_amount_of_zero_gives_the_codes_back(hull: LatentHull, edge: Edge) -> None:
    alpha = torch.cat([torch.eye(6), hull.sample(4, seeded(3))])
    step = torch.randn(1, 8, generator=seeded(4))
    w = hull.points(alpha) + 0.3 * torch.randn(10, 3, 8, generator=seeded(5))  # beside the hull
    edited = edited_codes(hull, alpha, step, AMOUNTS, edge=edge, w=w)
    assert edited.shape == (10, 5, 3, 8)
    torch.testing.assert_close(edited[:, 2], w, atol=2e-5, rtol=0)
    # What is beside the hull moves along.
    inside = edited_codes(hull, alpha, step, AMOUNTS, edge=edge)
    torch.testing.assert_close(edited - w[:, None], inside - hull.points(alpha)[:, None], atol=2e-5, rtol=0)


@pytest.mark.parametrize("edge", EDGES)
def test_edits_stay_among_what_the_anchors_can_be(hull: LatentHull, edge: Edge) -> None:
    alpha = hull.sample(5, seeded(3))
    edited = edited_codes(hull, alpha, torch.randn(1, 8, generator=seeded(4)), 3 * AMOUNTS, edge=edge).flatten(0, 1)
    found = hull.coordinates(edited)
    torch.testing.assert_close(hull.points(found), edited, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.sum(1), torch.ones(25))
    if edge != "continue":
        assert found.min() > -hull.beta - 1e-4
    else:
        assert found.min() < -hull.beta - 0.1


@pytest.mark.parametrize("edge", EDGES)
def test_a_larger_amount_never_moves_less(edge: Edge) -> None:
    stretched = torch.tensor([5.0, 3.0, 2.0, 1.0, 1.0, 0.5, 0.2, 0.1])  # where nearest coordinates are not nearest in w
    hull = LatentHull(torch.randn(6, 1, 8, generator=seeded(2)) * stretched, beta=0.03)
    for seed in range(8):
        step = torch.randn(1, 8, generator=seeded(seed))
        edited = edited_codes(hull, torch.eye(6), step, torch.linspace(-3, 3, 9), edge=edge)
        moved = moved_along(edited, hull.anchors, step)
        assert (moved.diff(dim=1) > -1e-4).all()
        assert (moved[:, -1] > moved[:, 0]).all()


def test_a_direction_between_anchors_is_gone_along_whole(hull: LatentHull) -> None:
    step = (hull.anchors[1] - hull.anchors[4]) / 8
    assert held_by(hull, step) == pytest.approx(1, abs=1e-5)
    alpha = torch.full((1, 6), 1 / 6)
    for edge in EDGES:
        edited = edited_codes(hull, alpha, step, AMOUNTS / 2, edge=edge)
        wanted = hull.points(alpha)[:, None] + AMOUNTS[None, :, None, None] / 2 * step
        torch.testing.assert_close(edited, wanted, atol=1e-4, rtol=0)
        torch.testing.assert_close(moved_along(edited, hull.points(alpha), step)[0], AMOUNTS / 2, atol=1e-4, rtol=0)


def test_a_direction_that_the_anchors_do_not_have_goes_nowhere(hull: LatentHull) -> None:
    span = (hull.anchors - hull.anchors.mean(0)).flatten(1)
    step = torch.randn(24, generator=seeded(4))
    step -= torch.linalg.pinv(span) @ (span @ step)
    assert held_by(hull, step.view(3, 8)) == pytest.approx(0, abs=1e-5)
    edited = edited_codes(hull, torch.eye(6), step.view(3, 8), AMOUNTS, edge="continue")
    torch.testing.assert_close(edited, hull.anchors[:, None].expand_as(edited), atol=1e-4, rtol=0)


def test_a_direction_of_another_generator_is_refused(generator: Generator) -> None:
    latent, base = generator.latent, fingerprint(generator)
    layers = latent.num_ws
    check_direction(Direction(torch.ones(1, 16)), generator)
    check_direction(Direction(torch.ones(layers, 16), base=base), generator)
    with pytest.raises(InputError, match=rf"the direction is \[1, 512\], and .* codes are \[{layers}, 16\]"):
        check_direction(Direction(torch.ones(1, 512)), generator)
    with pytest.raises(InputError, match=rf"the direction is \[{layers + 1}, 16\], and"):
        check_direction(Direction(torch.ones(layers + 1, 16)), generator)
    with pytest.raises(InputError, match=f"belongs to weights abc…, and these are {base[:12]}…: learn it with these"):
        check_direction(Direction(torch.ones(1, 16), base="abc"), generator)
