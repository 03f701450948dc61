"""Where inversion begins: at the best of drawn codes, so that a generator that is flat at its mean is inverted too."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from gpk.album import Album
from gpk.context import Context
from gpk.errors import RecipeError
from gpk.judges import Distance
from gpk.logger import NullLogger
from gpk.loss import Reconstruction
from gpk.plugin import Backend, Card
from gpk.recipe import Recipe
from gpk.seeding import seeded
from gpk_module.network import ModuleGenerator
from gpk_module.pyramid import Lap1
from gpk_module.traits import recognise
from gpk_tasks.descent import State
from gpk_tasks.invert.pivotal import Pivoting, pivotal
from gpk_tasks.personalize.inversion import find_codes
from gpk_tasks.personalize.settings import Inversion, Tuning
from gpk_tasks.personalize.starts import best_starts, drawn
from gpk_tasks.personalize.tuning import tune
from gpk_tasks.placement import Placement, place

WIDTH, SIDE, DRAWS = 4, 8, 40
QUICK = Inversion(steps=8, lr=0.1, batch=2, whiten=True, jitter=0.0)


class Flat(nn.Module):
    """At the code 0, and for some way around it, no unit is alive."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(WIDTH, 32), nn.Linear(32, 3 * SIDE * SIDE)
        rng = torch.Generator().manual_seed(1)
        for layer, bias in ((self.first, -1.0), (self.last, 0.0)):
            layer.weight.data = torch.randn(layer.weight.shape, generator=rng)
            layer.bias.data.fill_(bias)

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(self.last(self.first(z).relu()) / 4).view(-1, 3, SIDE, SIDE)


@pytest.fixture
def context() -> Context:
    """Three photos of the generator's own, of codes that nobody is told."""
    generator = ModuleGenerator(module := Flat().eval(), recognise(module))
    card = Card("flat", "flat", "")
    with torch.no_grad():
        photos = generator(torch.randn(3, 1, WIDTH, generator=torch.Generator().manual_seed(5))).image
    backend = Backend("flat", "flat", (card,), lambda config: generator)
    return Context(backend, card, generator, Lap1(), Album(photos, tuple("abc")), NullLogger())


def losses(context: Context, codes: Tensor) -> Tensor:
    """The loss of each code [K, D] for each photo: [N, K]."""
    compare = Reconstruction(context.album.photos, context.distance)
    with torch.no_grad():
        render = context.generator(codes[:, None])
        return torch.stack([compare(render, torch.full((len(codes),), row)).total for row in range(3)])


def squares(a: Tensor, b: Tensor) -> Tensor:
    """A distance that has no features."""
    return (a - b).square().mean((1, 2, 3))


@pytest.mark.parametrize("distance", [Lap1(), squares])
def test_each_photo_begins_at_the_best_of_what_was_drawn(context: Context, distance: Distance) -> None:
    there = dataclasses.replace(context, distance=distance)
    mean = torch.zeros(WIDTH)
    codes = torch.cat([mean[None], drawn(there, DRAWS, seed=0)])
    expected = codes[losses(there, codes).argmin(1)]
    assert torch.equal(best_starts(there, mean, QUICK, draws=DRAWS), expected)
    assert len(expected.unique(dim=0)) == 3


def test_the_mean_stays_where_nothing_is_better(context: Context) -> None:
    with torch.no_grad():
        dark = context.generator(torch.zeros(3, 1, WIDTH)).image
    there = dataclasses.replace(context, album=Album(dark, tuple("abc")))
    assert torch.equal(best_starts(there, torch.zeros(WIDTH), QUICK, draws=DRAWS), torch.zeros(3, WIDTH))


def test_a_mean_where_the_generator_is_flat_is_nobodys_start(context: Context) -> None:
    """Though its grey picture is the nearest to all of these, whom none of few codes is like; but for what it is."""
    faint = context.album.photos * torch.tensor([0.01, 0.01, 0.0])[:, None, None, None]
    there = dataclasses.replace(context, album=Album(faint, tuple("abc")))
    codes = torch.cat([torch.zeros(1, WIDTH), drawn(there, 3, seed=0)])
    assert losses(there, codes).argmin(1).tolist() == [0, 0, 0]
    expected = codes[1:][losses(there, codes[1:]).argmin(1)] * torch.tensor([[1], [1], [0]])
    assert torch.equal(best_starts(there, torch.zeros(WIDTH), QUICK, draws=3), expected)


@pytest.mark.parametrize("space", ["w", "w+"])
def test_an_inversion_that_stands_still_says_where_to_begin(context: Context, space: Literal["w", "w+"]) -> None:
    long = dataclasses.replace(QUICK, steps=20, space=space)
    with pytest.raises(
        RecipeError, match=r"^inversion stands still: 10 steps at .* the generator is flat there"
    ) as told:
        find_codes(context, dataclasses.replace(long, draws=0))
    assert "Try inversion: {draws: 512} in --config (run invert: --draws), to begin at" in str(told.value)
    find_codes(context, dataclasses.replace(long, draws=DRAWS))


def test_other_descents_that_stand_still_say_so_too(context: Context) -> None:
    """Of codes whose middle is the flat one, and of weights at rates that single precision does not see."""
    anchors = torch.tensor([[1.0, 0, 0, 0], [-1.0, 0, 0, 0]])
    with pytest.raises(RecipeError, match=r"^placing photos stands still: .* Try a persona of other or fewer anchors"):
        place(context, anchors, context.album, Placement())
    with pytest.raises(
        RecipeError, match=r"^pivotal tuning stands still: .* the rates are too low. Try other codes, or a"
    ):
        pivotal(context, torch.ones(3, 1, WIDTH), context.album, Pivoting(steps=20, lr=1e-20))
    persona = context.untrained(Recipe(), torch.ones(3, WIDTH), rng=seeded(0))
    with pytest.raises(
        RecipeError, match=r"^tuning stands still: .* the rates are too low. Try other anchors, a recipe"
    ):
        tune(context, persona, Tuning(steps=20, batch=3, lr=1e-20, lr_offset=1e-20))


def test_a_generator_that_is_flat_at_its_mean_is_inverted(context: Context) -> None:
    still = find_codes(context, dataclasses.replace(QUICK, draws=0))
    found = find_codes(context, dataclasses.replace(QUICK, draws=DRAWS))
    starts = best_starts(context, torch.zeros(WIDTH), QUICK, draws=DRAWS)
    at = {name: losses(context, w).diag().mean() for name, w in (("still", still), ("begun", starts), ("found", found))}
    assert at["still"] == losses(context, torch.zeros(3, WIDTH)).diag().mean()
    assert at["found"] < 0.8 * at["begun"]
    assert at["begun"] < 0.8 * at["still"]


def test_the_backend_says_how_many_where_the_settings_do_not(context: Context) -> None:
    there = dataclasses.replace(context, backend=dataclasses.replace(context.backend, draws=DRAWS))
    assert torch.equal(find_codes(there, QUICK), find_codes(context, dataclasses.replace(QUICK, draws=DRAWS)))
    assert not torch.equal(find_codes(there, dataclasses.replace(QUICK, draws=0)), find_codes(there, QUICK))


def test_from_every_state_it_goes_on_as_if_it_had_never_stopped(context: Context) -> None:
    settings, states = dataclasses.replace(QUICK, draws=DRAWS), []

    def keep(state: Callable[[], State]) -> None:
        tensors, position = state()
        states.append(({name: tensor.clone() for name, tensor in tensors.items()}, dict(position)))

    whole = find_codes(context, settings, tick=keep)
    assert len(states) == 2 * QUICK.steps
    for state in states[::5]:
        assert torch.equal(find_codes(context, settings, start=state), whole)
