"""The numbers that the paper, its text and its release give, counted on the real architectures, none allocated."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from gpk.generator import Generator
from gpk.lowrank import Layout, LoRA
from gpk.persona import Origin, Persona
from gpk.recipe import RELEASE_PARTS, Recipe
from gpk.registry import Registry
from gpk_tasks.personalize.plan import plan
from gpk_tasks.personalize.presets import PRESETS, preset


def built(name: str, card: str | None = None) -> Generator:
    backend = Registry.discover().backend(name)
    chosen = backend.card if card is None else {c.name: c for c in backend.cards}[card]
    with torch.device("meta"):
        return backend.build(chosen.config)


@pytest.fixture(scope="module")
def ffhq() -> Generator:
    return built("eg3d-ffhq")


def counted(generator: Generator, recipe: Recipe) -> tuple[int, int]:
    """All numbers of a persona, and those of its LoRA alone."""
    origin = Origin("", "", "")
    persona = Persona.create(generator, recipe, origin=origin, anchors=torch.zeros(1, generator.latent.w_dim))
    lora = [c for c in persona.changes.values() if isinstance(c, LoRA)]
    return persona.numbers, sum(p.numel() for c in lora for p in c.parameters())


@pytest.mark.parametrize(
    ("layout", "rank", "numbers"),
    [
        ("flat", 1, 91_110),
        ("flat", 4, 364_440),
        ("flat", 16, 1_457_760),
        ("kernel", 1, 219_174),
        ("kernel", 4, 876_696),
        ("kernel", 16, 3_506_784),
        ("loralib", 1, 140_262),
        ("loralib", 4, 561_048),
        ("loralib", 16, 2_244_192),
    ],
)
def test_lora_on_eg3d_ffhq(ffhq: Generator, layout: Layout, rank: int, numbers: int) -> None:
    assert counted(ffhq, Recipe(rank=rank, layout=layout))[1] == numbers


@pytest.mark.parametrize(("rank", "numbers"), [(1, 243_965), (4, 901_487), (16, 3_531_575)])
def test_the_release_as_it_runs(ffhq: Generator, rank: int, numbers: int) -> None:
    assert counted(ffhq, dataclasses.replace(preset("my3dgen").recipe, rank=rank))[0] == numbers


@pytest.mark.parametrize(("rank", "numbers"), [(1, 95_367), (4, 368_697), (16, 1_462_017)])
def test_the_paper_taken_literally(ffhq: Generator, rank: int, numbers: int) -> None:
    assert counted(ffhq, dataclasses.replace(preset("paper").recipe, rank=rank))[0] == numbers


def test_parts_are_switched_one_by_one(ffhq: Generator) -> None:
    decoder: Recipe = preset("paper").recipe
    assert counted(ffhq, dataclasses.replace(decoder, whole=Recipe().whole))[0] == 120_158
    without_constant = Recipe(whole=frozenset({"bias", "noise"}), parts={**RELEASE_PARTS, "decoder": "whole"})
    assert counted(ffhq, without_constant)[0] == 240_030
    offsets = Recipe(lowrank=frozenset())
    assert counted(ffhq, offsets)[0] == 24_791
    assert counted(ffhq, dataclasses.replace(offsets, whole=frozenset({"bias", "noise"})))[0] == 16_599
    assert counted(ffhq, dataclasses.replace(offsets, whole=frozenset({"const"})))[0] == 8_192
    mapping = Recipe(layout="flat", whole=frozenset(), parts={"mapping": "adapt"})
    assert counted(ffhq, mapping)[0] == 3_097
    decoder_lora = Recipe(layout="flat", whole=frozenset(), parts={"decoder": "adapt"})
    assert counted(ffhq, decoder_lora)[0] == (32 + 64) + (64 + 33)
    everything = Recipe(parts={"mapping": "whole", "backbone": "whole", "decoder": "whole", "superres": "whole"})
    assert counted(ffhq, everything)[0] == 30_662_136
    no_affine = Recipe(lowrank=frozenset({"conv", "torgb"}))
    no_torgb = Recipe(lowrank=frozenset({"conv", "affine"}))
    assert counted(ffhq, no_affine)[1] < counted(ffhq, no_torgb)[1] < 219_174


@pytest.mark.parametrize(
    ("backend", "card", "flat", "kernel", "whole"),
    [
        ("eg3d-afhq", "afhqcats512-128", 87_142, 208_678, 29_587_512),
        ("stylegan2", "ffhq-1024", 85_467, 205_467, 30_370_060),
        ("stylegan2", "afhqcat-512", 82_840, 200_984, 30_276_583),
        ("stylegan2", "ffhq-256", 69_013, 166_677, 24_767_458),
    ],
)
def test_the_other_cards(backend: str, card: str, flat: int, kernel: int, whole: int) -> None:
    generator = built(backend, card)
    assert counted(generator, Recipe(layout="flat"))[1] == flat
    assert counted(generator, Recipe(layout="kernel"))[1] == kernel
    assert sum(p.numel() for p in generator.parameters()) == whole


def test_the_release_on_cats() -> None:
    assert counted(built("eg3d-afhq"), preset("my3dgen").recipe)[0] == 232_573


def test_a_plan_adds_up() -> None:
    backend = Registry.discover().backend("eg3d-minicat")
    for settings in PRESETS.values():
        told = plan(backend, backend.card, settings, photos=5)
        assert told.tuned == told.lora + told.offsets + told.decoder
        assert told.generator == sum(row.generator for row in told.rows)
        assert told.file_bytes > 4 * told.tuned
        assert told.forward_flops > 0
        assert told.memory_bytes > 4 * told.generator
        assert told.seconds > told.anchor_seconds > 0
