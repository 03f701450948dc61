"""What every backend promises, held over all that are registered, each at a size that a test can afford."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from corekit.camera import Camera
from corekit.generator import Generator
from corekit.order import seeded
from corekit.plugin import Backend, Card
from corekit.registry import Registry

STYLEGAN2_SIZES = {"z_dim": 12, "w_dim": 16, "img_resolution": 16, "channel_base": 128, "channel_max": 12}

CASES = [
    pytest.param(offer.value, card, (offer.plugin, card), id=f"{name}-{card.name}")
    for name, offer in Registry.discover().backends().items()
    for card in offer.value.cards
]


@pytest.fixture
def config(request: pytest.FixtureRequest, eg3d_sizes: Mapping[str, Any]) -> Mapping[str, Any]:
    """A card's config at a size that a test can afford; the embedded prior is small as it is."""
    plugin, card = request.param
    sizes = {"stylegan2": STYLEGAN2_SIZES, "eg3d": eg3d_sizes}
    return {**card.config, **sizes.get(plugin, {})}


def small(backend: Backend, config: Mapping[str, Any]) -> Generator:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = backend.build(config)
    rng = seeded(0, "settled")
    for name, parameter in generator.named_parameters():
        if name.endswith(("bias", "noise_strength")):
            nn.init.normal_(parameter, std=0.1, generator=rng)
    return generator.eval().requires_grad_(False)


def latents(generator: Generator, count: int) -> Tensor:
    return generator.mapping(torch.randn(count, generator.latent.z_dim, generator=seeded(1)))


def views(generator: Generator, count: int) -> Camera | None:
    return generator.orbit(torch.linspace(-0.3, 0.3, count), 0.1)


@pytest.mark.parametrize(("backend", "card", "config"), CASES, indirect=["config"])
class TestContract:
    """Every backend, every card."""

    def test_shapes_and_range(self, backend: Backend, card: Card, config: Mapping[str, Any]) -> None:
        generator = small(backend, config)
        w = latents(generator, 2)
        assert w.shape == (2, generator.latent.num_ws, generator.latent.w_dim)
        render = generator(w, views(generator, 2))
        side = generator.resolution
        assert render.image.shape == (2, 3, side, side)
        assert torch.isfinite(render.image).all()
        assert (render.raw is None) == (render.depth is None) == (not backend.cameras)
        if render.raw is not None and render.depth is not None:
            assert render.raw.shape[-2:] == render.depth.shape[-2:]
            assert len(render.pyramid) == 2

    def test_cameras_are_there_where_the_backend_says(
        self, backend: Backend, card: Card, config: Mapping[str, Any]
    ) -> None:
        generator = small(backend, config)
        front = generator.frontal(3)
        assert (front is not None) == backend.cameras
        if front is not None:
            assert len(front) == 3
            w = latents(generator, 1)
            assert torch.equal(generator(w).image, generator(w, front[0]).image)
            left, right = (generator(w, generator.orbit(yaw)).image for yaw in (-0.3, 0.3))
            assert not torch.allclose(left, right)

    def test_views_of_a_code_are_its_views_one_by_one(
        self, backend: Backend, card: Card, config: Mapping[str, Any]
    ) -> None:
        generator = small(backend, config)
        cameras = views(generator, 3)
        if cameras is None:  # it looks the same from everywhere, and nobody should have to know it
            cameras = Camera.orbit(torch.linspace(-0.3, 0.3, 3), 0.1)
        for count in (1, 2):
            w = latents(generator, count)
            together = list(generator.views(w, cameras))
            assert len(together) == 3
            for i, render in enumerate(together):
                alone = generator(w, cameras[i].expand(count))
                for level, other in zip(render, alone, strict=True):
                    assert (level is None) == (other is None)
                    if level is not None and other is not None:
                        assert torch.allclose(level, other, rtol=1e-4, atol=1e-5)

    def test_a_picture_depends_on_nothing_else(self, backend: Backend, card: Card, config: Mapping[str, Any]) -> None:
        generator = small(backend, config)
        w, camera = latents(generator, 3), views(generator, 3)
        together = generator(w, camera)
        assert torch.equal(generator(w, camera).image, together.image)
        for i in range(3):
            alone = generator(w[i : i + 1], None if camera is None else camera[i])
            assert torch.allclose(alone.image[0], together.image[i], rtol=1e-4, atol=1e-5)

    def test_matter_is_dense_and_coloured_and_the_same_for_any_points_beside_it(
        self, backend: Backend, card: Card, config: Mapping[str, Any]
    ) -> None:
        generator = small(backend, config)
        one, other = (generator.solid(w[None]) for w in latents(generator, 2))
        if one is None or other is None:
            assert not backend.cameras
            return
        low, high = one.box
        assert (low < high).all()
        points = low + (high - low) * torch.rand(100, 3, generator=seeded(2))
        density, colour = one.at(points)
        assert (density.shape, colour.shape) == ((100,), (100, 3))
        assert torch.isfinite(density).all()
        assert density.min() >= 0
        assert colour.abs().max() <= 1.002  # as pictures are, a little more than [-1, 1]
        alone = one.at(points[:1])
        torch.testing.assert_close(alone.density, density[:1])
        torch.testing.assert_close(alone.colour, colour[:1])
        assert not torch.allclose(other.at(points).density, density)

    def test_seeds_decide_what_is_random(self, backend: Backend, card: Card, config: Mapping[str, Any]) -> None:
        generator = small(backend, config)
        w = latents(generator, 1)
        one, again, other = (generator(w, noise="random", rng=seeded(s)).image for s in (0, 0, 1))
        assert torch.equal(one, again)
        assert not torch.equal(one, other)

    def test_sites_are_parameters_each_named_once(
        self, backend: Backend, card: Card, config: Mapping[str, Any]
    ) -> None:
        generator = small(backend, config)
        sites = generator.sites()
        keys = [site.key for site in sites]
        assert len(set(keys)) == len(keys)
        assert set(keys) == {name for name, _ in generator.named_parameters()}
        for site in sites:
            assert torch.equal(generator.weight(site), generator.get_parameter(site.key))
            assert site.gain > 0

    def test_gradients_reach_w_through_every_level(
        self, backend: Backend, card: Card, config: Mapping[str, Any]
    ) -> None:
        generator = small(backend, config)
        w = latents(generator, 1).requires_grad_()
        for level in generator(w, views(generator, 1)).pyramid:
            (gradient,) = torch.autograd.grad(level.square().mean(), w, retain_graph=True)
            assert torch.isfinite(gradient).all()
            assert gradient.abs().sum() > 0

    def test_noise_maps_are_the_stored_noise(self, backend: Backend, card: Card, config: Mapping[str, Any]) -> None:
        generator = small(backend, config)
        w, maps = latents(generator, 2), generator.noise_maps()
        const = generator(w).image
        assert torch.equal(generator(w, noise=maps).image, const)
        if maps:
            per_sample = {name: m.expand(2, 1, *m.shape[-2:]) + 1 for name, m in maps.items()}
            assert not torch.allclose(generator(w, noise=per_sample).image, const)

    def test_truncation_ends_at_the_mean(self, backend: Backend, card: Card, config: Mapping[str, Any]) -> None:
        generator = small(backend, config)
        z = torch.randn(2, generator.latent.z_dim, generator=seeded(1))
        full, half, none = (generator.mapping(z, truncation=t) for t in (1.0, 0.5, 0.0))
        assert torch.allclose(half, (full + none) / 2, atol=1e-5)
        assert torch.allclose(none[0], none[1], atol=1e-6)
        cut = generator.mapping(z, truncation=0.0, cutoff=1)
        assert torch.allclose(cut[:, 0], none[:, 0])
        assert torch.equal(cut[:, 1:], full[:, 1:])

    def test_copies_and_shapes_without_storage(self, backend: Backend, card: Card, config: Mapping[str, Any]) -> None:
        generator = small(backend, config)
        w = latents(generator, 1)
        assert torch.equal(copy.deepcopy(generator)(w).image, generator(w).image)
        with torch.device("meta"):
            empty = backend.build(config)
        shapes = {name: tensor.shape for name, tensor in generator.state_dict().items()}
        assert {name: tensor.shape for name, tensor in empty.state_dict().items()} == shapes

    def test_a_files_shapes_give_the_config_back(self, backend: Backend, card: Card, config: Mapping[str, Any]) -> None:
        generator = small(backend, config)
        shapes = {name: tuple(tensor.shape) for name, tensor in generator.state_dict().items()}
        assert backend.fit is not None
        fitted = small(backend, backend.fit(config, shapes))
        assert {name: tuple(tensor.shape) for name, tensor in fitted.state_dict().items()} == shapes
