"""Rates in units of the weights: a network that stores its weights smaller, and makes up for it, learns the same."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from gpk.album import Album
from gpk.attach import attached
from gpk.context import Context
from gpk.generator import Generator
from gpk.logger import NullLogger
from gpk.plugin import Backend, Card
from gpk.recipe import Recipe
from gpk_module.network import ModuleGenerator
from gpk_module.pyramid import Lap1
from gpk_module.traits import recognise
from gpk_tasks.invert.pivotal import Pivoting, pivotal
from gpk_tasks.personalize.settings import Tuning
from gpk_tasks.personalize.tuning import tune

WIDTH, SIDE = 6, 8


class Small(nn.Module):
    """A generator of two layers whose weights are stored at a share of what they do."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.first, self.last = nn.Linear(WIDTH, 24), nn.Linear(24, 3 * SIDE * SIDE)
        rng = torch.Generator().manual_seed(1)
        for layer in (self.first, self.last):
            layer.weight.data = share * torch.randn(layer.weight.shape, generator=rng)
            layer.bias.data.zero_()

    def forward(self, z: Tensor) -> Tensor:
        """The pictures [B, 3, SIDE, SIDE] of codes [B, WIDTH]."""
        hidden = self.first(z / self.share / WIDTH**0.5).relu()
        return torch.tanh(self.last(hidden / self.share / 24**0.5)).view(-1, 3, SIDE, SIDE)


@torch.no_grad()
def album(generator: Generator) -> Album:
    photos = generator(torch.randn(4, 1, WIDTH, generator=torch.Generator().manual_seed(2))).image
    return Album(photos.flip(3), tuple("abcd"))


def learned(share: float, how: str) -> Tensor:
    """What the network with such weights shows of its album's codes once it has learned them."""
    generator = ModuleGenerator(module := Small(share).eval(), recognise(module))
    card = Card("small", "small", "")
    backend = Backend("small", "small", (card,), lambda config: generator)
    there = Context(backend, card, generator, Lap1(), album(generator), NullLogger())
    codes = torch.randn(4, WIDTH, generator=torch.Generator().manual_seed(3))
    if how == "pivotal":
        persona = pivotal(there, codes[:, None], there.album, Pivoting(steps=15))
    else:
        layers = Recipe(rank=2, layout="flat", init="normal", whole=frozenset())
        whole = dataclasses.replace(layers, parts={"backbone": "whole"})
        rng = torch.Generator().manual_seed(4)
        persona = there.untrained(layers if how == "lora" else whole, codes, rng=rng)
        tune(there, persona, Tuning(steps=15, batch=4, lr=0.05, lr_offset=0.01, beta1=0.9, beta2=0.99))
    with attached(generator, persona), torch.no_grad():
        return generator(codes[:, None]).image


@pytest.mark.parametrize("how", ["lora", "whole", "pivotal"])
def test_weights_stored_smaller_learn_the_same(how: str) -> None:
    whole, small = learned(1.0, how), learned(1 / 16, how)
    generator = ModuleGenerator(module := Small(1.0).eval(), recognise(module))
    moved = (whole - generator(torch.randn(4, 1, WIDTH, generator=torch.Generator().manual_seed(3))).image).abs().mean()
    assert moved > 1e-3
    assert (whole - small).abs().mean() < 0.01 * moved
