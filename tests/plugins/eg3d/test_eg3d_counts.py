"""Sizes of the published EG3D networks, counted on the meta device; the figures are those of the publication."""

from collections.abc import Iterable
from pathlib import Path

import pytest
import torch

import gpk_eg3d
from gpk.generator import Generator, Site
from gpk_checkpoints.cards import read_cards
from gpk_eg3d.config import EG3DConfig, from_mapping
from gpk_eg3d.network import EG3D

CARDS = {card.name: card for card in read_cards(Path(gpk_eg3d.__file__).parent / "cards.yaml")}


@pytest.fixture(scope="module")
def ffhq() -> EG3D:
    return on_meta(from_mapping(CARDS["ffhqrebalanced512-128"].config))


@pytest.fixture(scope="module")
def afhq() -> EG3D:
    return on_meta(from_mapping(CARDS["afhqcats512-128"].config))


def on_meta(config: EG3DConfig) -> EG3D:
    with torch.device("meta"):
        return EG3D(config)


def stored(generator: Generator, sites: Iterable[Site]) -> int:
    return sum(generator.weight(site).numel() for site in sites)


def rank_one(generator: Generator, sites: Iterable[Site]) -> dict[str, int]:
    """Numbers in A and B of rank 1: with r rows, with r k rows, or with r k rows of which the memory is reread."""
    total = {"flat": 0, "kernel": 0, "loralib": 0}
    for site in sites:
        outputs, inputs, *kernel = generator.weight(site).shape
        k = kernel[0] if kernel else 1
        total["flat"] += outputs + inputs * k * k
        total["kernel"] += k * (outputs + inputs * k * k)
        total["loralib"] += k * outputs * k + k * inputs * k
    return total


def adapted(generator: Generator) -> list[Site]:
    """What the publication adapts: every convolution, ToRGB and style layer of backbone and super-resolution."""
    return [site for site in generator.sites() if site.kind in ("conv", "torgb", "affine")]


def test_ffhq_in_parts(ffhq: EG3D) -> None:
    parts = {
        part: [s for s in ffhq.sites() if s.part == part] for part in ("mapping", "backbone", "decoder", "superres")
    }
    assert {part: stored(ffhq, sites) for part, sites in parts.items()} == {
        "mapping": 800_768,
        "backbone": 28_207_533,
        "decoder": 4_257,
        "superres": 1_649_578,
    }
    assert sum(parameter.numel() for parameter in ffhq.parameters()) == 30_662_136


def test_ffhq_rank_one(ffhq: EG3D) -> None:
    assert rank_one(ffhq, adapted(ffhq)) == {"flat": 91_110, "kernel": 219_174, "loralib": 140_262}


def test_ffhq_offsets(ffhq: EG3D) -> None:
    drawn = [site for site in ffhq.sites() if site.part in ("backbone", "superres")]
    assert stored(ffhq, (s for s in drawn if s.kind in ("bias", "noise"))) == 16_599
    assert stored(ffhq, (s for s in drawn if s.kind == "const")) == 8_192
    mapping = [site for site in ffhq.sites() if site.part == "mapping" and site.kind == "linear"]
    assert rank_one(ffhq, mapping)["flat"] == 3_097


def test_what_the_release_trains(ffhq: EG3D, afhq: EG3D) -> None:
    trained = {}
    for generator in (ffhq, afhq):
        offsets = [
            s for s in generator.sites() if s.kind in ("bias", "noise", "const") and s.part in ("backbone", "superres")
        ]
        trained[generator] = rank_one(generator, adapted(generator))["kernel"] + stored(generator, offsets)
    assert (trained[ffhq], trained[afhq]) == (243_965, 232_573)


def test_afhq(afhq: EG3D) -> None:
    assert sum(parameter.numel() for parameter in afhq.parameters()) == 29_587_512
    counted = rank_one(afhq, adapted(afhq))
    assert (counted["flat"], counted["kernel"]) == (87_142, 208_678)


def test_sites_are_all_parameters_once(ffhq: EG3D) -> None:
    keys = [site.key for site in ffhq.sites()]
    assert sorted(keys) == sorted(name for name, _ in ffhq.named_parameters())
    assert len(set(keys)) == len(keys)


def test_a_site_knows_its_gain_and_resolution(ffhq: EG3D) -> None:
    sites = {site.key: site for site in ffhq.sites()}
    gains = {
        "backbone.mapping.embed.weight": 1 / 5,
        "backbone.mapping.fc0.weight": 0.01 / 1024**0.5,
        "backbone.synthesis.b8.conv0.affine.weight": 1 / 512**0.5,
        "backbone.synthesis.b256.torgb.weight": 1 / 128**0.5,
        "backbone.synthesis.b8.conv0.weight": 1,
        "decoder.net.0.weight": 1 / 32**0.5,
        "superresolution.block1.torgb.weight": 1 / 128**0.5,
    }
    assert {key: sites[key].gain for key in gains} == pytest.approx(gains)
    assert sites["superresolution.block0.conv0.weight"].resolution == 256
    assert sites["backbone.synthesis.b4.const"].resolution == 4
