"""Sizes of the published StyleGAN2 networks, counted on the meta device; the figures are those of the publications."""

from typing import Literal

import pytest
import torch

from gpk.generator import Generator, Site
from gpk_stylegan2.config import StyleGAN2Config
from gpk_stylegan2.network import StyleGAN2

Layout = Literal["flat", "kernel"]
CONFIGS = {
    "ffhq-1024": StyleGAN2Config(),
    "afhqcat-512": StyleGAN2Config(img_resolution=512),
    "ffhq-256": StyleGAN2Config(img_resolution=256, channel_base=16384),
}


def on_meta(config: StyleGAN2Config) -> StyleGAN2:
    with torch.device("meta"):
        return StyleGAN2(config)


def rank_one(generator: Generator, site: Site, layout: Layout) -> int:
    """Numbers in A and B of rank 1 at `site`."""
    outputs, inputs, *kernel = generator.weight(site).shape
    k = kernel[0] if kernel else 1
    rows = {"flat": outputs + inputs * k * k, "kernel": k * (outputs + inputs * k * k)}
    return rows[layout]


@pytest.mark.parametrize(
    ("name", "whole", "flat", "kernel"),
    [
        ("ffhq-1024", 30_370_060, 85_467, 205_467),
        ("afhqcat-512", 30_276_583, 82_840, 200_984),
        ("ffhq-256", 24_767_458, 69_013, 166_677),
    ],
)
def test_the_published_sizes(name: str, whole: int, flat: int, kernel: int) -> None:
    generator = on_meta(CONFIGS[name])
    adapted = [site for site in generator.sites() if site.kind in ("conv", "torgb", "affine")]
    assert sum(parameter.numel() for parameter in generator.parameters()) == whole
    assert sum(rank_one(generator, site, "flat") for site in adapted) == flat
    assert sum(rank_one(generator, site, "kernel") for site in adapted) == kernel


def test_sites_are_all_parameters_once() -> None:
    generator = on_meta(CONFIGS["afhqcat-512"])
    keys = [site.key for site in generator.sites()]
    assert sorted(keys) == sorted(name for name, _ in generator.named_parameters())
    assert len(set(keys)) == len(keys)


def test_a_site_knows_its_gain() -> None:
    gains = {site.key: site.gain for site in on_meta(CONFIGS["ffhq-1024"]).sites()}
    assert gains["mapping.fc3.weight"] == pytest.approx(0.01 / 512**0.5)
    assert gains["mapping.fc3.bias"] == 0.01
    assert gains["synthesis.b8.conv0.affine.weight"] == pytest.approx(1 / 512**0.5)
    assert gains["synthesis.b1024.torgb.weight"] == pytest.approx(1 / 32**0.5)
    assert gains["synthesis.b8.conv0.weight"] == 1
