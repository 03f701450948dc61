"""How much a persona changes: known changes give known figures, whatever the layout and the gain."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import get_args

import pytest
import torch

from gpk.allocation import allocated
from gpk.generator import Generator, Site, fingerprint
from gpk.importance import (
    GROUPINGS,
    MATRICES,
    SiteChange,
    bare_sites,
    by_block,
    by_kind,
    by_part,
    by_site,
    gathered,
    measured,
    spectrum_of,
)
from gpk.lowrank import Layout, LoRA, Offset
from gpk.persona import Origin, Persona
from gpk.recipe import Recipe
from gpk.seeding import seeded

WHOLE = Recipe(parts=dict.fromkeys(("mapping", "backbone", "decoder", "superres"), "whole"))  # pyright: ignore[reportArgumentType]


def born(generator: Generator, recipe: Recipe = Recipe(), *, moved: float = 0.3) -> Persona:  # noqa: B008 - frozen
    rng = seeded(0)
    anchors = torch.randn(3, generator.latent.w_dim, generator=rng)
    origin = Origin("small", "card", fingerprint(generator))
    persona = Persona.create(generator, recipe, origin=origin, anchors=anchors, rng=rng)
    with torch.no_grad():
        for parameter in persona.parameters():
            parameter += moved * torch.randn(parameter.shape, generator=rng)
    return persona


def test_a_persona_that_changes_nothing_has_no_importance(generator: Generator) -> None:
    for change in measured(born(generator, moved=0.0), generator):
        assert change.change == change.energy == change.effective_rank == 0
        assert change.base is not None


@pytest.mark.parametrize("norm", ["frobenius", "mean-abs"])
def test_a_change_by_a_share_of_every_weight_is_that_share_of_every_group(generator: Generator, norm: str) -> None:
    persona = born(generator, WHOLE)
    with torch.no_grad():
        for site in generator.sites():
            change = persona.changes[site.key]
            assert isinstance(change, Offset)
            change.D.copy_(0.07 * generator.weight(site))
    changes = measured(persona, generator, norm=norm)  # pyright: ignore[reportArgumentType]
    for key in GROUPINGS.values():
        for name, group in gathered(changes, key).items():
            assert group.percent == pytest.approx(7, rel=1e-5), name
    assert sum(group.energy for group in gathered(changes, by_kind).values()) == pytest.approx(1)


def test_of_a_block_a_weight_speaks_as_loud_as_its_gain(generator: Generator) -> None:
    """A change at one weight, by hand: |dW| over |W0| of all matrices in its block, each times its gain."""
    persona = born(generator)
    site = next(site for site in generator.sites() if site.kind == "torgb")
    persona = persona.only([site.key])
    block = [s for s in generator.sites() if s.block == site.block and s.kind in MATRICES]
    assert len(block) > 1
    base = math.sqrt(sum((s.gain * generator.weight(s)).square().sum().item() for s in block))
    delta = (site.gain * persona.changes[site.key].delta()).norm().item()
    found = gathered(measured(persona, generator), by_block)
    assert found[site.block].percent == pytest.approx(100 * delta / base, rel=1e-5)
    assert found[site.block].count == sum(generator.weight(s).numel() for s in block)
    assert all(group.percent == 0 for name, group in found.items() if name != site.block)
    alone = gathered(measured(persona, generator), by_site)
    assert list(alone) == [site.key]
    weight = generator.weight(site)
    stored = persona.changes[site.key].delta().norm() / weight.norm()
    assert alone[site.key].percent == pytest.approx(100 * stored.item(), rel=1e-5), "at one weight the gain cancels"


def test_parts_and_blocks_hold_the_same_matrices(generator: Generator) -> None:
    changes = measured(born(generator), generator)
    blocks, parts = gathered(changes, by_block), gathered(changes, by_part)
    for part, whole in parts.items():
        mine = [group for name, group in blocks.items() if name.partition(".")[0] == part]
        assert sum(group.count for group in mine) == whole.count
        assert sum(group.energy for group in mine) == pytest.approx(whole.energy)


@pytest.mark.parametrize("layout", get_args(Layout))
def test_the_spectrum_is_that_of_the_change(layout: Layout) -> None:
    change = LoRA((6, 5, 3, 3), rank=2, scale=0.7, layout=layout, rng=seeded(0))
    with torch.no_grad():
        change.B.normal_(generator=seeded(1))
    exact = torch.linalg.svdvals(change.delta().double().flatten(1))
    found = spectrum_of(change)
    assert torch.allclose(found, exact[: len(found)], atol=1e-6)
    assert exact[len(found) :].abs().sum() < 1e-5
    if layout == "flat":
        assert len(found) == 2


@pytest.mark.parametrize(("spectrum", "rank"), [((), 0.0), ((0.0, 0.0), 0.0), ((3.0,), 1.0), ((2.0,) * 4, 4.0)])
def test_the_effective_rank_counts_directions(spectrum: tuple[float, ...], rank: float) -> None:
    site = Site("x", "conv", "backbone", 4)
    assert SiteChange(site, "frobenius", 9, 1.0, spectrum=spectrum).effective_rank == pytest.approx(rank)


def test_an_effective_rank_lies_between_one_direction_and_all(generator: Generator) -> None:
    for change in measured(born(generator, Recipe(rank=2, layout="flat")), generator):
        if change.rank:
            assert 1 <= change.effective_rank <= len(change.spectrum) <= 2


def test_without_values_there_is_no_share_and_all_else_is_the_same(generator: Generator) -> None:
    persona = born(generator)
    real = measured(persona, generator)
    empty = measured(persona, copy.deepcopy(generator).to("meta"))
    assert all(change.base is None for change in empty)
    assert [replace(change, base=None) for change in real] == list(empty)
    assert all(group.percent is None for group in gathered(empty, by_block).values())


def test_without_a_generator_keys_and_shapes_are_all_that_is_known(generator: Generator) -> None:
    persona = born(generator)
    found = measured(persona)
    assert [change.site.key for change in found] == list(persona.changes) == [s.key for s in bare_sites(persona)]
    there = {site.key: site for site in generator.sites()}
    for change in found:
        real = there[change.site.key]
        assert (change.site.kind in MATRICES) == (real.kind in MATRICES) or real.kind == "const"
        assert change.base is None


def test_measuring_changes_nothing(generator: Generator) -> None:
    persona = born(generator)
    before = fingerprint(generator), {name: tensor.clone() for name, tensor in persona.tensors().items()}
    measured(persona, generator)
    assert fingerprint(generator) == before[0]
    assert all(torch.equal(tensor, before[1][name]) for name, tensor in persona.tensors().items())


def steps(block: str, spectrum: tuple[float, ...], *, tuned: int) -> SiteChange:
    site = Site(f"{block}.conv", "conv", "backbone", int(block))
    return SiteChange(site, "frobenius", 100, 1.0, tuned=tuned, rank=len(spectrum), spectrum=spectrum)


def test_ranks_go_where_they_pay() -> None:
    """Block 4 has all of its change in one direction, block 8 in two equal ones, and block 16 does nothing."""
    persona = [steps("4", (3.0, 0.1), tuned=20), steps("8", (2.0, 2.0), tuned=20), steps("16", (9.0, 9.0), tuned=20)]
    worth = {"backbone.4": 1.0, "backbone.8": 1.0, "backbone.16": 0.0}
    ranks, numbers, kept = allocated([persona], worth, numbers=30)
    assert ranks == {"backbone.4": 1, "backbone.8": 2, "backbone.16": 0}
    assert numbers == 30
    assert kept == pytest.approx(17 / 17.01)


def test_a_budget_is_kept_and_all_of_it_is_everything() -> None:
    persona = [steps("4", (3.0, 1.0), tuned=40), steps("8", (2.0, 2.0), tuned=10)]
    worth = {"backbone.4": 1.0, "backbone.8": 1.0}
    for budget in range(0, 51, 5):
        found = allocated([persona], worth, numbers=budget)
        assert found.numbers <= budget
        assert found.numbers == 20 * found.ranks["backbone.4"] + 5 * found.ranks["backbone.8"]
    assert allocated([persona], worth, numbers=50) == ({"backbone.4": 2, "backbone.8": 2}, 50, 1.0)


def test_a_step_too_dear_stops_its_block_and_no_other() -> None:
    persona = [steps("4", (9.0, 8.0), tuned=40), steps("8", (1.0, 0.5), tuned=4)]
    found = allocated([persona], {"backbone.4": 1.0, "backbone.8": 1.0}, numbers=24)
    assert found.ranks == {"backbone.4": 1, "backbone.8": 2}


def test_suggested_ranks_are_a_recipe(generator: Generator) -> None:
    """What is allocated to a real persona can be tuned, and takes the numbers that were told."""
    recipe = Recipe(rank=2, layout="flat", whole=frozenset())
    persona = born(generator, recipe)
    changes = measured(persona, generator)
    worth = dict.fromkeys((site.block for site in generator.sites()), 1.0)
    found = allocated([changes], worth, numbers=persona.numbers // 2)
    smaller = born(generator, replace(recipe, rank_pattern=found.ranks))
    assert smaller.numbers == found.numbers
    assert 0 < smaller.numbers <= persona.numbers // 2
