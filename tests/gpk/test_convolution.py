"""Convolving with no more than a weight's change asks for is plain convolution, in value and in every gradient."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F

from gpk.attach import attached
from gpk.convolution import Factors, convolved, factors_of, filtered
from gpk.generator import PARTS, Generator, Kind, Render, fingerprint
from gpk.lowrank import Layout
from gpk.persona import Origin, Persona
from gpk.recipe import Recipe
from gpk.seeding import seeded
from gpk_stylegan2.layers import SynthesisLayer
from gpk_stylegan2.network import StyleGAN2
from gpk_tasks.memory import counting


def plain(x: Tensor, weight: Tensor, up: bool) -> Tensor:
    if up:
        return F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    return F.conv2d(x, weight, padding=weight.shape[-1] // 2)


def tensors(k: int, rows: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    rng = seeded(k, rows)
    shapes = (2, 5, 6, 7), (4, 5, k, k), (4, rows), (rows, 5, k, k)
    return [torch.randn(shape, generator=rng, dtype=dtype).requires_grad_() for shape in shapes]


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize(("k", "rows"), [(1, 1), (3, 1), (3, 3)])
def test_factors_get_the_gradients_that_the_weight_would_hand_on(k: int, rows: int, up: bool) -> None:
    x, base, b, a = tensors(k, rows)
    weight = base + torch.einsum("or,rikl->oikl", b, a)
    expected = plain(x, weight, up)
    found = convolved(x, weight, Factors(b, a), up=up)
    assert torch.equal(found, expected)
    upstream = torch.randn(expected.shape, generator=seeded(1), dtype=expected.dtype)
    for ours, theirs in zip(
        torch.autograd.grad(found, (x, b, a), upstream, retain_graph=True),
        torch.autograd.grad(expected, (x, b, a), upstream),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("up", [False, True])
def test_a_frozen_weight_gives_the_gradient_of_x_and_keeps_nothing_of_it(up: bool) -> None:
    x, weight, *_ = tensors(3, 1)
    expected = plain(x, weight, up)
    upstream = torch.randn(expected.shape, generator=seeded(1), dtype=expected.dtype)
    frozen = weight.detach()
    with counting([frozen]) as kept:
        found = convolved(x, frozen, up=up)
    assert kept[0] == 0
    assert torch.equal(found, expected)
    ours, theirs = torch.autograd.grad(found, x, upstream)[0], torch.autograd.grad(expected, x, upstream)[0]
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_filtering_is_a_convolution_of_every_channel() -> None:
    x, kernel = tensors(3, 1)[0], torch.randn(4, 4, generator=seeded(2), dtype=torch.float64)
    expected = F.conv2d(x, kernel.expand(5, 1, 4, 4), padding=1, groups=5)
    found = filtered(x, kernel, padding=1)
    assert torch.equal(found, expected)
    upstream = torch.randn(expected.shape, generator=seeded(1), dtype=expected.dtype)
    ours, theirs = torch.autograd.grad(found, x, upstream)[0], torch.autograd.grad(expected, x, upstream)[0]
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_a_weight_that_is_tuned_whole_gets_its_gradient() -> None:
    x, weight, *_ = tensors(3, 1)
    convolved(x, weight).square().sum().backward()
    assert weight.grad is not None
    assert weight.grad.abs().sum() > 0


def test_a_vectorised_gradient_goes_through() -> None:
    x, weight, *_ = tensors(3, 1)
    weights = torch.stack([weight, 2 * weight]).detach()
    slope = vmap(grad(lambda own, one: convolved(one[None], own).sum(), argnums=1), in_dims=(0, None))
    found = slope(weights, x[0].detach())
    torch.testing.assert_close(found[1], 2 * found[0])


def with_persona(generator: Generator, recipe: Recipe) -> Persona:
    rng = seeded(4)
    origin = Origin("", "", fingerprint(generator))
    persona = Persona.create(generator, recipe, origin=origin, anchors=torch.zeros(1, 16), rng=rng)
    for parameter in persona.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=rng)
    return persona


def everywhere(layout: Layout) -> Recipe:
    return Recipe(layout=layout, parts=dict.fromkeys(PARTS, "adapt"))


def wave(render: Render) -> Tensor:
    """A loss that feels every pixel of every level."""
    return torch.stack([torch.sin(3 * level).square().mean() for level in render.pyramid]).sum()


@pytest.mark.parametrize("layout", ["flat", "kernel"])
def test_a_network_has_the_same_gradients_on_every_kind_of_site(wide: Generator, layout: Layout) -> None:
    """Attached, convolutions are factored; called with weights W0 + BA that autograd built whole, they are not."""
    persona = with_persona(wide, everywhere(layout))
    w = torch.randn(2, wide.latent.num_ws, 16, generator=seeded(5)).requires_grad_()
    learned = [(site.kind, p) for site in wide.sites() for p in persona.changes[site.key].parameters()]
    leaves = [w, *(parameter for _, parameter in learned)]

    whole = {site.key: persona.changes[site.key](wide.weight(site)) for site in wide.sites()}
    expected_render = functional_call(wide, whole, (w,))
    expected = torch.autograd.grad(wave(expected_render), leaves, allow_unused=True)
    with attached(wide, persona):
        convolutions = [module for module in wide.modules() if isinstance(module, SynthesisLayer)]
        assert all(factors_of(module) is not None for module in convolutions)
        render = wide(w)
        found = torch.autograd.grad(wave(render), leaves, allow_unused=True)

    for ours, theirs in zip(render.pyramid, expected_render.pyramid, strict=True):
        assert (ours - theirs).norm() <= 1e-5 * theirs.norm()
    kinds = ["w", *(kind for kind, _ in learned)]
    felt = {kind for kind, gradient in zip(kinds, found, strict=True) if gradient is not None}
    assert felt == {"w", *get_args(Kind)} - ({"linear"} if isinstance(wide, StyleGAN2) else set())
    for kind, ours, theirs in zip(kinds, found, expected, strict=True):
        assert (ours is None) == (theirs is None), kind
        if ours is not None and theirs is not None:
            assert (ours - theirs).norm() <= 1e-5 * theirs.norm(), kind


def test_where_factors_would_not_pay_the_weight_is_tuned_as_ever(wide: Generator) -> None:
    site = next(site for site in wide.sites() if site.kind == "conv")
    layer = wide.get_submodule(site.path)

    def factors(recipe: Recipe) -> Factors | None:
        with attached(wide, with_persona(wide, recipe)):
            return factors_of(layer)

    assert factors(Recipe()) is not None
    assert factors(Recipe(rank=16)) is None
    assert factors(Recipe(layout="loralib")) is None
    assert factors(Recipe(lowrank=frozenset(), whole=frozenset({"conv"}))) is None
    assert factors_of(layer) is None
    with torch.no_grad():
        assert factors(Recipe()) is None
