"""What a photo's mask says is not real moves nothing: not the anchors, not the persona, not a placement."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gpk.album import Album
from gpk.bench import Bench, Silence
from gpk.generator import fingerprint
from gpk.persona import Origin, Persona
from gpk.plugin import Backend, Card
from gpk.recipe import Recipe
from gpk.seeding import seeded
from gpk_eg3d.network import EG3D
from gpk_tasks.invert import invert
from gpk_tasks.personalize import album_digest
from gpk_tasks.pivotal import Pivoting, pivotal
from gpk_tasks.placement import Placement, place
from gpk_tasks.scores import score
from gpk_tasks.settings import Inversion, Tuning
from gpk_tasks.tune import tune


def absolute(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().mean((1, 2, 3))


@pytest.fixture
def bench(eg3d: EG3D) -> Bench:
    """Two photos, the second of which is real in its left half alone."""
    w = eg3d.mapping(torch.randn(2, eg3d.latent.z_dim, generator=seeded(3)))
    cameras = eg3d.orbit(torch.tensor([-0.2, 0.1]))
    masks = torch.ones(2, 1, eg3d.resolution, eg3d.resolution)
    masks[1, ..., eg3d.resolution // 2 :] = 0
    album = Album((eg3d(w, cameras).image * 0.5).clamp(-1, 1), ("a", "b"), cameras, masks=masks)
    card = Card("small", "small", "none")
    return Bench(Backend("small", "small", (card,), lambda config: eg3d), card, eg3d, absolute, album, Silence())


def anchors_of(bench: Bench) -> Tensor:
    return bench.generator.mapping(torch.randn(3, bench.generator.latent.z_dim, generator=seeded(4)))[:, 0]


def inverted(bench: Bench) -> Tensor:
    return invert(bench, Inversion(steps=2, jitter=0.0))


def tuned(bench: Bench) -> Tensor:
    origin = Origin("small", "small", fingerprint(bench.generator))
    anchors = anchors_of(bench)[:2]
    persona = Persona.create(bench.generator, Recipe(), origin=origin, anchors=anchors, rng=seeded(0))
    tune(bench, persona, Tuning(steps=2, batch=2))
    return torch.cat([parameter.detach().flatten() for parameter in persona.parameters()])


def placed(bench: Bench) -> Tensor:
    return place(bench, anchors_of(bench), bench.album, Placement(steps=2)).w


def pivoted(bench: Bench) -> Tensor:
    w = bench.generator.mapping(torch.randn(2, bench.generator.latent.z_dim, generator=seeded(5)))
    persona = pivotal(bench, w, bench.album, Pivoting(steps=2))
    return torch.cat([parameter.detach().flatten() for parameter in persona.parameters()])


@pytest.mark.parametrize("learned", [inverted, tuned, placed, pivoted])
def test_invented_pixels_move_nothing(bench: Bench, learned: Callable[[Bench], Tensor]) -> None:
    other = bench.album.photos.clone()
    other[1, ..., bench.generator.resolution // 2 :] = 0.9
    changed = dataclasses.replace(bench, album=dataclasses.replace(bench.album, photos=other))
    assert torch.equal(learned(bench), learned(changed))
    without = dataclasses.replace(changed, album=dataclasses.replace(changed.album, masks=None))
    assert not torch.equal(learned(bench), learned(without))


def test_another_mask_is_another_job(bench: Bench) -> None:
    without = dataclasses.replace(bench.album, masks=None)
    assert album_digest(bench.album) != album_digest(without)


def test_figures_leave_invented_pixels_out(bench: Bench) -> None:
    photos, real = torch.rand(2, 3, 32, 32, generator=seeded(6)), torch.ones(2, 1, 32, 32)
    real[1, ..., 16:] = 0
    images = (photos + 0.1).clamp(-1, 1)
    other = images.clone()
    other[1, ..., 16:] = -0.9
    inside = torch.ones(2, 1, 32, 32)
    figures = score(images, photos, bench, masks=inside, real=real)
    assert figures == score(other, photos, bench, masks=inside, real=real)
    assert figures.keys() == {"psnr", "psnr_inside", "ssim", "distance"}
    assert figures["psnr"] == pytest.approx(figures["psnr_inside"])
    counted = score(other, photos, bench, masks=inside)
    assert all(abs(counted[name] - figures[name]) > 1e-3 for name in figures)
    everything = score(images, photos, bench, masks=inside, real=torch.ones_like(real))
    assert everything == pytest.approx(score(images, photos, bench, masks=inside), abs=1e-4)
