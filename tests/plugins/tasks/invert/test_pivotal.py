"""Pivotal tuning: it fits a photo, on top of whatever is attached, and leaves everything else as it was."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gpk.album import Album
from gpk.attach import attached, is_attached, merged
from gpk.context import Context
from gpk.errors import PersonaError, RecipeError
from gpk.generator import Generator, fingerprint
from gpk.logger import NullLogger
from gpk.persona import Origin, Persona
from gpk.plugin import Backend, Card
from gpk.recipe import Recipe
from gpk.seeding import seeded
from gpk_checkpoints.personas import load_persona, save_persona
from gpk_tasks.invert.pivotal import LPIPS_STOP, RATES, Pivoting, pivotal
from gpk_tasks.renders import render_album

FEW = Pivoting(steps=8, lr=0.01)


def absolute(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().mean((1, 2, 3))


@pytest.fixture
def context(generator: Generator) -> Context:
    """An album of two pictures that the generator cannot make, and a persona that changes it."""
    cameras = generator.orbit(torch.tensor([0.2, -0.1]))
    photos = (generator(pivots(generator), cameras).image * 0.5 + 0.3).clamp(-1, 1)
    card = Card("small", "small", "none")
    backend = Backend("small", "small", (card,), lambda config: generator, cameras=cameras is not None, distance="own")
    origin = Origin("small", "small", fingerprint(generator))
    persona = Persona.create(generator, Recipe(), origin=origin, anchors=pivots(generator), rng=seeded(0))
    with torch.no_grad():
        for parameter in persona.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=seeded(4)))
    album = Album(photos, ("x", "y"), cameras)
    return Context(backend, card, generator, absolute, album, NullLogger(), persona=persona)


def pivots(generator: Generator) -> Tensor:
    return generator.mapping(torch.randn(2, generator.latent.z_dim, generator=seeded(3)))


def weights(generator: Generator) -> dict[str, Tensor]:
    return {site.key: generator.weight(site).detach().clone() for site in generator.sites()}


def same(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_merged_is_the_changed_generator_and_afterwards_the_attached_one(context: Context) -> None:
    generator, bare = context.generator, fingerprint(context.generator)
    with context.personalized():
        before = weights(generator)
        with merged(generator):
            assert not is_attached(generator)
            assert same(weights(generator), before)
            assert fingerprint(generator) != bare
            path, _, name = next(iter(context.persona.changes)).rpartition(".")  # pyright: ignore[reportOptionalMemberAccess]
            with torch.no_grad():  # whoever writes into it meanwhile, or fails
                getattr(generator.get_submodule(path), name).zero_()
        assert is_attached(generator)
        assert same(weights(generator), before)
        with pytest.raises(KeyError, match="stop"), merged(generator):
            raise KeyError("stop")
        assert same(weights(generator), before)
        with torch.no_grad():  # it is the same persona that is attached, no copy
            next(context.persona.parameters()).add_(1.0)  # pyright: ignore[reportOptionalMemberAccess]
        assert not same(weights(generator), before)
    assert fingerprint(generator) == bare
    with merged(generator):  # nothing attached, nothing done
        assert fingerprint(generator) == bare


@pytest.mark.parametrize("recipe", ["whole", "lora"])
@pytest.mark.parametrize("with_persona", [False, True])
def test_it_fits_the_photos_and_leaves_everything_as_it_was(context: Context, recipe: Any, with_persona: bool) -> None:
    generator, w = context.generator, pivots(context.generator)
    bare, learned = fingerprint(generator), {k: v.clone() for k, v in context.persona.tensors().items()}  # pyright: ignore[reportOptionalMemberAccess]
    settings = dataclasses.replace(FEW, recipe=recipe)
    with context.personalized() if with_persona else nullcontext():
        before = render_album(context, w, context.album)
        tuned = pivotal(context, w, context.album, settings)
        assert torch.equal(render_album(context, w, context.album), before)
        assert is_attached(generator) == with_persona
        with merged(generator) as base, attached(base, tuned):
            after = render_album(context, w, context.album)
        again = pivotal(context, w, context.album, settings)
    assert same(tuned.tensors(), again.tensors())
    photos = context.album.photos
    assert absolute(after, photos).mean() < 0.9 * absolute(before, photos).mean()
    assert fingerprint(generator) == bare
    assert same(context.persona.tensors(), learned)  # pyright: ignore[reportOptionalMemberAccess]
    assert torch.equal(tuned.anchors, w)
    assert tuned.origin.images_seen == 16
    assert not any(key.startswith(("mapping", "backbone.mapping")) for key in tuned.changes)


def test_it_belongs_to_what_it_was_made_on(context: Context, tmp_path: Path) -> None:
    generator = context.generator
    with context.personalized():
        tuned = pivotal(context, pivots(generator), context.album, dataclasses.replace(FEW, steps=1))
        save_persona(tmp_path / "x.persona.safetensors", tuned)
        found = load_persona(tmp_path / "x.persona.safetensors")
        with merged(generator), attached(generator, found):
            assert is_attached(generator)
    with pytest.raises(PersonaError, match="belongs to weights"), attached(generator, found):
        pass


@pytest.mark.parametrize("stop", [1, 3])
@pytest.mark.parametrize("recipe", ["whole", "lora"])
def test_it_goes_on_where_it_stopped(context: Context, recipe: Any, stop: int) -> None:
    settings = dataclasses.replace(FEW, steps=4, recipe=recipe, locality=0.1)
    states: list[tuple[dict[str, Tensor], dict[str, Any]]] = []

    def keep(state: Any) -> None:
        tensors, position = state()
        states.append(({name: tensor.clone() for name, tensor in tensors.items()}, position))

    with context.personalized():
        whole = pivotal(context, pivots(context.generator), context.album, settings, tick=keep)
        assert states[stop - 1][1] == {"step": stop}
        rest = pivotal(context, pivots(context.generator), context.album, settings, start=states[stop - 1])
    assert same(whole.tensors(), rest.tensors())


def test_it_stops_where_the_photos_are_near_enough(context: Context) -> None:
    w = pivots(context.generator)
    levels = context.generator(w, context.album.cameras).pyramid
    far = sum(
        absolute(level, torch.nn.functional.interpolate(context.album.photos, level.shape[-1])) for level in levels
    )
    near = float(far.mean() / len(levels))  # about where it begins  # pyright: ignore[reportAttributeAccessIssue]

    def steps(**changes: Any) -> int:
        return pivotal(context, w, context.album, dataclasses.replace(FEW, **changes)).origin.images_seen // 2

    assert steps(stop=2 * near) == 0
    assert 0 < steps(stop=0.9 * near) < 8
    assert steps(stop=None) == 8
    assert near > LPIPS_STOP  # so that it is the scaled pictures below that stop it
    context = dataclasses.replace(context, distance=lambda a, b: absolute(a, b) * LPIPS_STOP / near / 2)
    assert steps(stop=None) == 8  # no LPIPS, no threshold of LPIPS
    context = dataclasses.replace(context, backend=dataclasses.replace(context.backend, distance="lpips-vgg"))
    assert steps(stop=None) == 0


def test_locality_holds_what_lies_around_the_pivot(context: Context) -> None:
    generator, w = context.generator, pivots(context.generator)
    around = w + 0.5 * torch.randn(w.shape, generator=seeded(9))
    before = render_album(context, around, context.album)

    def drift(locality: float) -> float:
        settings = dataclasses.replace(FEW, steps=20, locality=locality, reach=1.0)
        with attached(generator, pivotal(context, w, context.album, settings)):
            return absolute(render_album(context, around, context.album), before).mean().item()

    assert drift(10.0) < 0.6 * drift(0.0)


def test_rates_by_recipe() -> None:
    assert Pivoting().rate == 3e-4
    assert Pivoting(recipe="lora").rate == RATES["lora"]
    assert Pivoting(lr=0.5).rate == 0.5


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"steps": -1}, "steps of pivotal tuning must be at least 0, not -1"),
        ({"stop": -0.1}, "stop of pivotal tuning must be at least 0"),
        ({"lr": 0.0}, "lr of pivotal tuning must be above 0, not 0.0"),
        ({"lr": 1e38}, r"lr of pivotal tuning must be at most 1e\+30"),
        ({"reach": 0.0}, "reach of pivotal tuning must be above 0"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        Pivoting(**wrong)


def test_a_rank_beyond_every_layer_is_refused(context: Context) -> None:
    with pytest.raises(RecipeError, match="rank 999 is beyond every layer"):
        pivotal(context, pivots(context.generator), context.album, Pivoting(recipe="lora", rank=999))
    assert not is_attached(context.generator)
