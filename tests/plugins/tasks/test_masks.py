"""What a photo's mask says is not real moves nothing: not the anchors, not the persona, not a placement."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gpk.album import Album
from gpk.context import Context
from gpk.generator import fingerprint
from gpk.logger import NullLogger
from gpk.persona import Origin, Persona
from gpk.plugin import Backend, Card
from gpk.recipe import Recipe
from gpk.seeding import seeded
from gpk_eg3d.network import EG3D
from gpk_tasks.invert.pivotal import Pivoting, pivotal
from gpk_tasks.personalize.inversion import find_codes
from gpk_tasks.personalize.settings import Inversion, Tuning
from gpk_tasks.personalize.tuning import tune
from gpk_tasks.placement import Placement, place
from gpk_tasks.scores import score


def absolute(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().mean((1, 2, 3))


@pytest.fixture
def context(eg3d: EG3D) -> Context:
    """Two photos, the second of which is real in its left half alone."""
    w = eg3d.mapping(torch.randn(2, eg3d.latent.z_dim, generator=seeded(3)))
    cameras = eg3d.orbit(torch.tensor([-0.2, 0.1]))
    masks = torch.ones(2, 1, eg3d.resolution, eg3d.resolution)
    masks[1, ..., eg3d.resolution // 2 :] = 0
    album = Album((eg3d(w, cameras).image * 0.5).clamp(-1, 1), ("a", "b"), cameras, masks=masks)
    card = Card("small", "small", "none")
    return Context(Backend("small", "small", (card,), lambda config: eg3d), card, eg3d, absolute, album, NullLogger())


def anchors_of(context: Context) -> Tensor:
    return context.generator.mapping(torch.randn(3, context.generator.latent.z_dim, generator=seeded(4)))[:, 0]


def inverted(context: Context) -> Tensor:
    return find_codes(context, Inversion(steps=2, jitter=0.0))


def tuned(context: Context) -> Tensor:
    origin = Origin("small", "small", fingerprint(context.generator))
    anchors = anchors_of(context)[:2]
    persona = Persona.create(context.generator, Recipe(), origin=origin, anchors=anchors, rng=seeded(0))
    tune(context, persona, Tuning(steps=2, batch=2))
    return torch.cat([parameter.detach().flatten() for parameter in persona.parameters()])


def placed(context: Context) -> Tensor:
    return place(context, anchors_of(context), context.album, Placement(steps=2)).w


def pivoted(context: Context) -> Tensor:
    w = context.generator.mapping(torch.randn(2, context.generator.latent.z_dim, generator=seeded(5)))
    persona = pivotal(context, w, context.album, Pivoting(steps=2))
    return torch.cat([parameter.detach().flatten() for parameter in persona.parameters()])


@pytest.mark.parametrize("learned", [inverted, tuned, placed, pivoted])
def test_invented_pixels_move_nothing(context: Context, learned: Callable[[Context], Tensor]) -> None:
    other = context.album.photos.clone()
    other[1, ..., context.generator.resolution // 2 :] = 0.9
    changed = dataclasses.replace(context, album=dataclasses.replace(context.album, photos=other))
    assert torch.equal(learned(context), learned(changed))
    without = dataclasses.replace(changed, album=dataclasses.replace(changed.album, masks=None))
    assert not torch.equal(learned(context), learned(without))


def test_another_mask_is_another_job(context: Context) -> None:
    without = dataclasses.replace(context.album, masks=None)
    assert context.album.digest() != without.digest()


def test_figures_leave_invented_pixels_out(context: Context) -> None:
    photos, real = torch.rand(2, 3, 32, 32, generator=seeded(6)), torch.ones(2, 1, 32, 32)
    real[1, ..., 16:] = 0
    images = (photos + 0.1).clamp(-1, 1)
    other = images.clone()
    other[1, ..., 16:] = -0.9
    inside = torch.ones(2, 1, 32, 32)
    figures = score(images, photos, context, masks=inside, real=real)
    assert figures == score(other, photos, context, masks=inside, real=real)
    assert figures.keys() == {"psnr", "psnr_inside", "ssim", "distance"}
    assert figures["psnr"] == pytest.approx(figures["psnr_inside"])
    counted = score(other, photos, context, masks=inside)
    assert all(abs(counted[name] - figures[name]) > 1e-3 for name in figures)
    everything = score(images, photos, context, masks=inside, real=torch.ones_like(real))
    assert everything == pytest.approx(score(images, photos, context, masks=inside), abs=1e-4)


def test_realism_is_told_of_sets_alone_and_sees_no_invented_pixels(context: Context) -> None:
    photos, real = torch.rand(4, 3, 32, 32, generator=seeded(6)), torch.ones(4, 1, 32, 32)
    real[1, ..., 16:] = 0
    soft = torch.nn.functional.avg_pool2d(photos, 3, 1, 1)
    other = soft.clone()
    other[1, ..., 16:] = -0.9
    assert score(photos, photos, context)["realism"] == 1.0
    blurred = score(soft, photos, context, real=real)["realism"]
    assert blurred < 0.5
    assert blurred == score(other, photos, context, real=real)["realism"]
    assert "realism" not in score(photos[:3], photos[:3], context)
