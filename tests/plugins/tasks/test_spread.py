"""What a recipe does to weights may not depend on the size at which a network stores them."""

from __future__ import annotations

from typing import final

import pytest
import torch
from torch import Tensor, nn

from corekit.album import Album
from corekit.attach import attached
from corekit.bench import Bench, Silence
from corekit.camera import Camera
from corekit.generator import Generator, LatentSpace, Noise, Render, Site, fingerprint
from corekit.order import seeded
from corekit.persona import Origin, Persona
from corekit.plugin import Backend, Card
from corekit.recipe import Recipe
from corekit.testing.rule import ContractError
from corekit.testing.sites import tells_its_weights_spread
from corekit.testing.specimen import Specimen
from gpk_tasks.pivotal import Pivoting, pivotal
from gpk_tasks.settings import Tuning
from gpk_tasks.tune import tune

SPREAD = 0.125  # a power of two: scaling by it rounds nothing


@final
class Plain(Generator):
    """One layer in a part of its own, whose numbers are of size `spread`, multiplied by 1 / `spread` as it runs."""

    def __init__(self, spread: float, *, says: float | None = None) -> None:
        super().__init__()
        self.latent, self.resolution, self.spread = LatentSpace(6, 6, 1), 4, spread
        self.says = spread if says is None else says
        self.layer = nn.Linear(6, 48)
        with torch.no_grad():
            self.layer.weight.copy_(torch.randn(48, 6, generator=seeded(0)) * spread)
            self.layer.bias.copy_(torch.randn(48, generator=seeded(1)) * spread)

    def mapping(
        self, z: Tensor, camera: Camera | None = None, *, truncation: float = 1.0, cutoff: int | None = None
    ) -> Tensor:
        return z[:, None] * truncation

    def forward(
        self, w: Tensor, camera: Camera | None = None, *, noise: Noise = "const", rng: torch.Generator | None = None
    ) -> Render:
        return Render((self.layer(w[:, 0]) / self.spread / 8).tanh().unflatten(1, (3, 4, 4)))

    def sites(self) -> tuple[Site, ...]:
        gain = 1 / self.spread
        return (
            Site("layer", "linear", "field", 0, gain=gain, spread=self.says),
            Site("layer", "bias", "field", 0, "bias", gain=gain, spread=self.says),
        )


@pytest.mark.parametrize("says", [SPREAD, SPREAD / 10, 1.0])
def test_the_contract_minds_weights_that_are_smaller_than_they_say(says: float) -> None:
    card = Card("plain", "Plain", "none")
    backend = Backend("plain", "Plain", (card,), lambda config: Plain(SPREAD, says=says), cameras=False)
    if says < 1:
        tells_its_weights_spread(Specimen(backend, card))
    else:
        with pytest.raises(ContractError, match=r"layer\.weight is born with numbers of 0\.12\d, .* 8 times too fast"):
            tells_its_weights_spread(Specimen(backend, card))


def bench_of(spread: float) -> Bench:
    generator, card = Plain(spread), Card("plain", "Plain", "none")
    album = Album(torch.randn(4, 3, 4, 4, generator=seeded(2)).tanh(), ("a", "b", "c", "d"))
    backend = Backend("plain", "Plain", (card,), lambda config: generator, cameras=False)
    return Bench(backend, card, generator, lambda a, b: (a - b).abs().mean((1, 2, 3)), album, Silence())


def shown(bench: Bench, persona: Persona, w: Tensor) -> Tensor:
    with attached(bench.generator, persona) as generator, torch.no_grad():
        return generator(w).image


@pytest.mark.parametrize("treatment", ["adapt", "whole"])
def test_tuning(treatment: str) -> None:
    pictures = []
    for spread in (1.0, SPREAD):
        bench, anchors = bench_of(spread), torch.randn(4, 6, generator=seeded(3))
        recipe = Recipe(parts={"field": treatment})  # pyright: ignore[reportArgumentType]
        persona = Persona.create(
            bench.generator, recipe, origin=Origin("", "", fingerprint(bench.generator)), anchors=anchors, rng=seeded(4)
        )
        tune(bench, persona, Tuning(steps=5, batch=2, lr=0.05, lr_offset=0.05, beta1=0.9))
        pictures.append(shown(bench, persona, anchors[:, None]))
    assert (pictures[0] - shown(bench, persona.only(()), anchors[:, None])).abs().max() > 0.01
    torch.testing.assert_close(pictures[1], pictures[0], atol=2e-4, rtol=0)


@pytest.mark.parametrize("recipe", ["whole", "lora"])
def test_pivotal_tuning(recipe: str) -> None:
    pictures, pivots = [], torch.randn(4, 1, 6, generator=seeded(3))
    for spread in (1.0, SPREAD):
        bench = bench_of(spread)
        settings = Pivoting(steps=5, recipe=recipe, lr=0.05)  # pyright: ignore[reportArgumentType]
        pictures.append(shown(bench, pivotal(bench, pivots, bench.album, settings), pivots))
    assert (pictures[0] - bench.generator(pivots).image).abs().max() > 0.01
    torch.testing.assert_close(pictures[1], pictures[0], atol=2e-4, rtol=0)
