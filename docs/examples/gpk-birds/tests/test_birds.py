"""The contract, and what only birds can be asked: does the field show what the formulas show?"""

# ruff: noqa: D101, D103 - a test's name says it

from __future__ import annotations

import torch
from gpk_birds import gpk_backends
from gpk_birds.bird import NAMES, Marks, ellipsoids, meaning, photographs, rendered
from gpk_birds.field import FOCAL, RADIUS, REACH, Field
from gpk_birds.judges import Edges, Looks, Palette
from safetensors.torch import load_file

from gpk.camera import Camera
from gpk.metrics import psnr
from gpk.testing import BackendContract, JudgeContract


class TestField(BackendContract):
    backend = "graf-birds"


class TestDistance(JudgeContract):
    judge = "birds-distance"


class TestIdentity(JudgeContract):
    judge = "birds-identity"


class TestAttributes(JudgeContract):
    judge = "birds-attributes"


def trained() -> Field:
    (backend,) = gpk_backends()
    assert backend.card.weights is not None
    assert backend.card.weights.stat().st_size < 300_000
    field = Field(**backend.card.config)
    field.load_state_dict(load_file(backend.card.weights))
    return field.eval().requires_grad_(False)


def test_the_field_shows_birds_that_it_was_not_taught() -> None:
    field, z = trained(), torch.randn(8, 16, generator=torch.Generator().manual_seed(12345))
    cameras = field.orbit(torch.linspace(-1, 1, 8), torch.linspace(0.3, -0.3, 8))
    true = torch.cat([photographs(z[i : i + 1], cameras[i], field.resolution) for i in range(8)])
    shown, another = (field(field.mapping(code), cameras).image for code in (z, z.roll(1, 0)))
    assert psnr(shown, true).mean() > 30
    assert psnr(another, true).mean() < 25
    assert Edges()(shown, true).mean() < 0.4 * Edges()(another, true).mean()
    assert ((Palette()(shown) * Palette()(true)).sum(1) > (Palette()(another) * Palette()(true)).sum(1)).all()


def test_depth_is_the_distance_along_the_ray() -> None:
    field, z = trained(), torch.zeros(1, 16)
    front = field.frontal()
    _, hit, distance = rendered(z, *front.rays(field.resolution))
    depth = field(field.mapping(z), front).depth
    assert depth is not None
    off = (depth.flatten(1) - distance)[hit].abs()
    assert off.median() < 0.03
    assert (depth.flatten(1)[~hit].median() - RADIUS).abs() < REACH


def test_the_solid_is_dense_where_the_bird_is() -> None:
    field, z = trained(), torch.zeros(1, 16)
    centres = ellipsoids(z)[0][0, :2]
    inside = field.solid(field.mapping(z)).at(centres).density
    outside = field.solid(field.mapping(z)).at(centres + torch.tensor([0.2, 0.1, 0.0])).density
    assert inside.min() > 10 * outside.max()


def test_a_ray_meets_the_nearest_ball() -> None:
    z = torch.zeros(1, 16)
    origins, directions = Camera.orbit(0.0, 0.0, radius=RADIUS, focal=FOCAL).rays(1)
    _, hit, distance = rendered(z, origins, directions)
    centres, radii, _, _ = ellipsoids(z)
    assert hit.all()
    assert RADIUS - (centres + radii)[..., 2].amax() < distance.item() < RADIUS


def test_marks_are_nowhere_in_a_code() -> None:
    z, side = torch.zeros(1, 16), Camera.orbit(1.2, 0.0, radius=RADIUS, focal=FOCAL)
    plain = photographs(z, side, 24)
    for marks in (Marks(collar=(1, 0, 1)), Marks(patch=(1, 0, 1))):
        assert 0.01 < (photographs(z, side, 24, marks) - plain).abs().mean() < 0.2


def test_attributes_read_what_codes_mean() -> None:
    z = torch.zeros(2, 16)
    z[1, [NAMES.index("body red"), NAMES.index("head red")]] = 1.5
    pictures = torch.cat([photographs(row[None], Camera.orbit(0.4, 0.0, radius=RADIUS, focal=FOCAL), 24) for row in z])
    size, red, *_ = Looks()(pictures).unbind(1)
    assert red[1] > red[0] + 0.05
    torch.testing.assert_close(size[0], size[1], atol=0.03, rtol=0)
    torch.testing.assert_close(meaning(z)["body red"], torch.special.ndtr(torch.tensor([0.0, 1.5])))
