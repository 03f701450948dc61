"""One generator to try the rules on: a card of a backend at a size that a test can afford, with weights that depend on
nothing but the card.

Shapes: B batch, L latent layers, D latent width, Z noise width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint
from typing import Any

import torch
from torch import Tensor

from gpk.camera import Camera
from gpk.generator import Generator
from gpk.plugin import Backend, Card
from gpk.seeding import seeded
from gpk.testing.rule import ContractError

MOST = 16_000_000
"""Stored numbers of a network that a test can afford: it is built anew for every rule."""


@dataclass(frozen=True)
class Specimen:
    """A card of a backend; `plugin` is where it is offered, None where the backend was given by itself."""

    backend: Backend
    card: Card
    plugin: EntryPoint | None = None

    @property
    def config(self) -> Mapping[str, Any]:
        """The card's config, small."""
        return {**self.card.config, **self.backend.tiny}

    @cached_property
    def generator(self) -> Generator:
        """The network, frozen as a loaded one is; the same weights every time, and none that says nothing.

        Much of a fresh network is constant: biases of 0, noise of no strength. What such a weight does cannot be
        seen, so it is given values.
        """
        generator = built(self.backend, self.config)
        rng = seeded(0, "settled")
        with torch.no_grad():
            for parameter in generator.parameters():
                if parameter.numel() == 1 or parameter.std() == 0:
                    parameter += (0.1 * torch.randn(parameter.shape, generator=rng)).to(parameter)
        return generator.eval().requires_grad_(False)

    def noise(self, count: int, seed: int = 1) -> Tensor:
        """z [B, Z] of `count` codes."""
        return torch.randn(count, self.generator.latent.z_dim, generator=seeded(seed))

    def codes(self, count: int, seed: int = 1) -> Tensor:
        """w [B, L, D] of `count` codes."""
        with torch.no_grad():
            return self.generator.mapping(self.noise(count, seed))

    def views(self, count: int) -> Camera | None:
        """`count` cameras side by side, None for a 2D generator."""
        return self.generator.orbit(torch.linspace(-0.3, 0.3, count), 0.1)


def built(backend: Backend, config: Mapping[str, Any]) -> Generator:
    """The generator of a config, its weights drawn from a seed; raises ContractError where it is no Generator."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = backend.build(config)
    if not isinstance(generator, Generator):
        raise ContractError(
            f"build returned a {type(generator).__name__}: everything that works on a network works on a "
            "gpk.generator.Generator. Derive yours from it"
        )
    return generator


def affordable(backend: Backend, config: Mapping[str, Any]) -> None:
    """Raises ContractError where the generator of a config has more numbers than `MOST`; nothing is allocated."""
    with torch.device("meta"):
        numbers = sum(tensor.numel() for tensor in backend.build(config).state_dict().values())
    if numbers > MOST:
        raise ContractError(
            f"the card builds a network of {numbers:,} numbers, and a rule can afford {MOST:,}: each rule builds its "
            "own, and calls it many times. Give the backend `tiny`: settings over the card's that make it small"
        )
