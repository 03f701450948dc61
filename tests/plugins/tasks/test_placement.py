"""Placing photos in the hull: the parametrization, the penalties, known damage, going on where it stopped."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from gpk.album import Album, resize
from gpk.attach import attached
from gpk.context import Context
from gpk.errors import RecipeError
from gpk.generator import Generator, fingerprint
from gpk.hull import LatentHull
from gpk.latents import anchors_as_ws, latent_statistics
from gpk.logger import NullLogger
from gpk.loss import Reconstruction, Rows
from gpk.persona import Origin, Persona
from gpk.plugin import Backend, Card
from gpk.recipe import Recipe
from gpk.seeding import seeded
from gpk_tasks.placement import PLACEMENTS, Placement, place

PAPER = dataclasses.replace(PLACEMENTS["paper"], steps=6)


def absolute(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().mean((1, 2, 3))


@pytest.fixture
def context(generator: Generator) -> Context:
    """An album of three pictures that the generator made of points between its anchors."""
    cameras = generator.orbit(torch.tensor([0.2, -0.1, 0.0]))
    album = Album(generator(points(generator), cameras).image, ("x", "y", "z"), cameras)
    card = Card("small", "small", "none")
    backend = Backend("small", "small", (card,), lambda config: generator, cameras=cameras is not None)
    return Context(backend, card, generator, absolute, album, NullLogger())


def anchors_of(generator: Generator) -> Tensor:
    return generator.mapping(torch.randn(5, generator.latent.z_dim, generator=seeded(3)))[:, 0]


def points(generator: Generator) -> Tensor:
    hull = LatentHull(anchors_of(generator))
    return anchors_as_ws(hull.points(hull.sample(3, seeded(1))), generator.latent.num_ws)


def test_it_begins_in_the_middle_of_the_hull(context: Context) -> None:
    anchors = anchors_of(context.generator)
    placed = place(context, anchors, context.album, dataclasses.replace(PAPER, steps=0))
    torch.testing.assert_close(placed.alpha, torch.full((3, 5), 1 / 5))
    assert not placed.offsets.any()
    middle = anchors_as_ws(anchors.mean(0, keepdim=True), context.generator.latent.num_ws)
    torch.testing.assert_close(placed.w, middle.expand(3, -1, -1))


@pytest.mark.parametrize("name", ["quick", "paper"])
def test_a_code_is_its_coordinates_and_offsets(context: Context, name: str) -> None:
    anchors = anchors_of(context.generator)
    settings = dataclasses.replace(PLACEMENTS[name], steps=6)
    placed = place(context, anchors, context.album, settings)
    hull = LatentHull(anchors_as_ws(anchors, context.generator.latent.num_ws))
    torch.testing.assert_close(placed.w, hull.points(placed.alpha) + placed.offsets)
    torch.testing.assert_close(placed.alpha.sum(1), torch.ones(3))
    again = place(context, anchors, context.album, settings)
    assert all(map(torch.equal, placed, again))


@pytest.mark.parametrize("name", ["quick", "paper"])
@pytest.mark.parametrize("stop", [1, 4])
def test_it_goes_on_where_it_stopped(context: Context, name: str, stop: int) -> None:
    anchors, settings = anchors_of(context.generator), dataclasses.replace(PLACEMENTS[name], steps=6)
    states: list[tuple[dict[str, Tensor], Mapping[str, Any]]] = []

    def keep(state: Any) -> None:
        tensors, position = state()
        states.append(({name: tensor.clone() for name, tensor in tensors.items()}, position))

    whole = place(context, anchors, context.album, settings, tick=keep)
    assert states[stop - 1][1] == {"step": stop}
    tensors, position = states[stop - 1]
    rest = place(context, anchors, context.album, settings, start=(tensors, dict(position)))
    assert all(map(torch.equal, whole, rest))


def test_what_a_mask_hides_does_not_matter(context: Context) -> None:
    """Every photo has a mask of its own, and its rows tell which."""
    photos = context.album.photos
    kept = torch.ones(3, 1, 8, 8)
    for i in range(3):
        kept[i, :, 2 * i : 2 * i + 2] = 0

    def degrade(image: Tensor, rows: Rows) -> Tensor:
        return image * torch.nn.functional.interpolate(kept[rows], image.shape[-1])

    # The middle of each hole, from where no resizing reaches out of it.
    side = photos.shape[-1]
    middle = torch.zeros(3, 1, side, side, dtype=torch.bool)
    for i in range(3):
        middle[i, :, i * side // 4 + side // 16 : i * side // 4 + 3 * side // 16] = True
    album = dataclasses.replace(context.album, photos=torch.where(middle, torch.tensor(0.9), photos))
    anchors = anchors_of(context.generator)
    seen, hidden = (place(context, anchors, shown, PAPER, degrade=degrade).w for shown in (context.album, album))
    assert torch.equal(seen, hidden)
    assert not torch.equal(seen, place(context, anchors, album, PAPER).w)


def test_damage_is_done_to_renders_and_photos_at_every_level(context: Context) -> None:
    photos, rows = context.album.photos, slice(1, 3)
    cameras = None if context.album.cameras is None else context.album.cameras[:2]
    render = context.generator(points(context.generator)[:2], cameras)

    def darker(image: Tensor, rows: Rows) -> Tensor:  # each photo otherwise
        return image * torch.tensor([0.9, 0.5, 0.2])[rows][:, None, None, None]

    found = Reconstruction(photos, absolute, degrade=darker)(render, rows)
    pairs = [(darker(level, rows), darker(resize(photos, level.shape[-1])[rows], rows)) for level in render.pyramid]
    torch.testing.assert_close(found.perceptual, torch.stack([absolute(a, b) for a, b in pairs]).sum(0))
    squares = torch.stack([(a - b).square().mean((1, 2, 3)) for a, b in pairs]).sum(0)
    torch.testing.assert_close(found.l2, squares)


def test_a_damage_that_does_nothing_changes_nothing(context: Context) -> None:
    anchors = anchors_of(context.generator)
    plain, with_it = (
        place(context, anchors, context.album, PAPER, degrade=d).w for d in (None, lambda image, rows: image)
    )
    assert torch.equal(plain, with_it)


def test_the_sum_is_held_at_one_before_it_is_made_one(context: Context) -> None:
    anchors = anchors_of(context.generator)

    def off(total: float) -> float:
        states = []
        settings = Placement(steps=12, total=total)
        place(context, anchors, context.album, settings, tick=lambda state: states.append(state()))
        hull = LatentHull(anchors, beta=settings.beta)
        return (hull.unnormalised(states[-1][0]["free"]).sum(1) - 1).abs().max().item()

    assert off(100.0) < 0.5 * off(0.0)


def test_offsets_are_held_on_the_first_layers_alone(context: Context) -> None:
    settings = Placement(steps=12, offset=1e6, offset_layers=1, lr_offset=0.02)
    offsets = place(context, anchors_of(context.generator), context.album, settings).offsets
    assert offsets[:, 0].norm() < 0.3 * offsets[:, 1].norm()


@pytest.mark.parametrize("unit", ["spread", "w"])
def test_offsets_are_counted_in_their_unit(context: Context, unit: Any) -> None:
    """Adam's first step is the rate itself."""
    settings = Placement(steps=1, lr_offset=0.01, offset=0.0, unit=unit, warmup=0.0, decay=0.0)
    longest = place(context, anchors_of(context.generator), context.album, settings).offsets.abs().max().item()
    spread = latent_statistics(context.generator, samples=1024).spread.item()
    assert longest == pytest.approx(0.01 * (spread if unit == "spread" else 1.0), rel=1e-2)


def test_the_persona_asks_for_no_gradient_meanwhile(context: Context) -> None:
    anchors = anchors_of(context.generator)
    origin = Origin("small", "small", fingerprint(context.generator))
    persona = Persona.create(context.generator, Recipe(), origin=origin, anchors=anchors, rng=seeded(0))
    with attached(context.generator, persona):
        place(context, anchors, context.album, PAPER)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in persona.parameters())


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"steps": -1}, "steps of a placement must be at least 0, not -1"),
        ({"beta": -0.1}, "beta of a placement must be at least 0"),
        ({"lr": float("nan")}, "lr of a placement must be at least 0, not nan"),
        ({"lr_offset": 1e38}, r"lr_offset of a placement must be at most 1e\+30"),
        ({"side": 0}, "side of a placement must be at least 1"),
        ({"offset_layers": -1}, "offset_layers of a placement must be at least 0"),
    ],
)
def test_impossible_placements_are_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        Placement(**wrong)


def test_a_placement_that_diverges_says_so(context: Context) -> None:
    with pytest.raises(RecipeError, match=r"placing photos diverged: l2 is (nan|inf)"):
        place(context, anchors_of(context.generator), context.album, Placement(steps=3, lr_offset=1e25))
