import copy

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, vmap

from corekit.errors import InputError, UnknownNameError
from corekit.testing.alike import alike
from gpk_stylegan2.config import StyleGAN2Config
from gpk_stylegan2.network import StyleGAN2


@pytest.fixture
def w(stylegan2: StyleGAN2, rng: torch.Generator) -> Tensor:
    """Three latents, another for every layer."""
    return torch.randn(3, stylegan2.latent.num_ws, stylegan2.latent.w_dim, generator=rng)


def test_a_picture_does_not_depend_on_its_batch(stylegan2: StyleGAN2, w: Tensor) -> None:
    alone = torch.cat([stylegan2(one[None]).image for one in w])
    assert alike(stylegan2(w).image, alone, within=2e-5)  # 1e-6 was seen


def test_a_call_changes_nothing(stylegan2: StyleGAN2, w: Tensor) -> None:
    before = copy.deepcopy(stylegan2.state_dict())
    assert torch.equal(stylegan2(w).image, stylegan2(w).image)
    assert all(torch.equal(tensor, before[name]) for name, tensor in stylegan2.state_dict().items())


def test_a_seed_is_a_picture(stylegan2: StyleGAN2, w: Tensor) -> None:
    def seeded(seed: int) -> Tensor:
        return stylegan2(w, noise="random", rng=torch.Generator().manual_seed(seed)).image

    assert torch.equal(seeded(1), seeded(1))
    assert not torch.equal(seeded(1), seeded(2))


def test_random_noise_needs_an_rng(stylegan2: StyleGAN2, w: Tensor) -> None:
    with pytest.raises(InputError, match="noise 'random' needs an rng"):
        stylegan2(w, noise="random")


def test_the_stored_maps_given_back_are_const(stylegan2: StyleGAN2, w: Tensor) -> None:
    maps = {path: noise[None, None] for path, noise in stylegan2.noise_maps().items()}
    assert list(maps) == [site.path for site in stylegan2.sites() if site.kind == "noise"]
    assert torch.equal(stylegan2(w, noise=maps).image, stylegan2(w).image)
    silent = {path: torch.zeros_like(noise) for path, noise in maps.items()}
    torch.testing.assert_close(stylegan2(w, noise=silent).image, stylegan2(w, noise="none").image)


def test_one_map_per_sample_and_the_rest_const(stylegan2: StyleGAN2, w: Tensor) -> None:
    own = torch.stack([stylegan2.noise_maps()["synthesis.b8.conv0"], torch.zeros(8, 8), torch.ones(8, 8)])[:, None]
    image = stylegan2(w, noise={"synthesis.b8.conv0": own}).image
    torch.testing.assert_close(image[0], stylegan2(w).image[0])
    assert not torch.allclose(image[1], stylegan2(w).image[1])


def test_a_map_of_no_layer_is_named(stylegan2: StyleGAN2, w: Tensor) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown noise map 'b8\.conv0'.*synthesis\.b8\.conv0"):
        stylegan2(w, noise={"b8.conv0": torch.zeros(1, 1, 8, 8)})


def test_a_w_of_the_wrong_length_is_refused(stylegan2: StyleGAN2, w: Tensor) -> None:
    with pytest.raises(InputError, match=r"w is \[3, 4, 16\]; this generator takes \[B, 6, D\]"):
        stylegan2(w[:, :4])


def test_gradients_reach_w_and_every_site(stylegan2: StyleGAN2, rng: torch.Generator) -> None:
    stylegan2.requires_grad_(True)
    z = torch.randn(2, stylegan2.latent.z_dim, generator=rng)
    latents = stylegan2.mapping(z)
    latents.retain_grad()
    stylegan2(latents).image.square().sum().backward()
    assert latents.grad is not None
    assert (latents.grad != 0).any(2).all()
    for site in stylegan2.sites():
        grad = stylegan2.weight(site).grad
        assert grad is not None, site.key
        assert grad.count_nonzero(), site.key


def test_gradients_can_be_differentiated_again(stylegan2: StyleGAN2, w: Tensor) -> None:
    w.requires_grad_(True)
    (slope,) = torch.autograd.grad(stylegan2(w).image.square().sum(), w, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.square().sum(), w)
    assert curvature.isfinite().all()
    assert curvature.count_nonzero()


def test_weights_per_sample(stylegan2: StyleGAN2, w: Tensor, rng: torch.Generator) -> None:
    own = {
        name: torch.stack([p + 0.1 * torch.randn(p.shape, generator=rng) for _ in w])
        for name, p in stylegan2.named_parameters()
    }

    def one(parameters: dict[str, Tensor], latent: Tensor) -> Tensor:
        return functional_call(stylegan2, parameters, (latent[None],)).image[0]

    alone = torch.stack([one({name: p[i] for name, p in own.items()}, latent) for i, latent in enumerate(w)])
    torch.testing.assert_close(vmap(one)(own, w), alone, rtol=1e-4, atol=1e-5)


def test_truncation_draws_towards_the_mean(stylegan2: StyleGAN2, rng: torch.Generator) -> None:
    stylegan2.mapping.w_avg.copy_(torch.randn(stylegan2.latent.w_dim, generator=rng))
    z = torch.randn(2, stylegan2.latent.z_dim, generator=rng)
    free, none, some = (stylegan2.mapping(z, truncation=psi, cutoff=c) for psi, c in ((1, None), (0, None), (0, 2)))
    assert free.shape == (2, stylegan2.latent.num_ws, stylegan2.latent.w_dim)
    torch.testing.assert_close(none, stylegan2.mapping.w_avg.expand_as(none))
    assert torch.equal(some[:, :2], none[:, :2])
    assert torch.equal(some[:, 2:], free[:, 2:])


def test_reduced_precision_is_only_asked_for_where_marked(w: Tensor, stylegan2: StyleGAN2) -> None:
    plain = stylegan2(w).image
    stylegan2.half_dtype = torch.bfloat16
    assert torch.equal(stylegan2(w).image, plain)
    for name, block in stylegan2.synthesis.blocks():
        block.reduced = name == "b16"
    rough = stylegan2(w).image
    assert rough.dtype == torch.float32
    assert 0 < (rough - plain).norm() < 0.02 * plain.norm()


@pytest.mark.parametrize(("count", "reduced"), [(0, []), (2, [32, 64]), (9, [8, 16, 32, 64])])
def test_the_last_resolutions_are_marked(count: int, reduced: list[int]) -> None:
    with torch.device("meta"):
        network = StyleGAN2(StyleGAN2Config(img_resolution=64, num_fp16_res=count))
    assert [block.resolution for _, block in network.synthesis.blocks() if block.reduced] == reduced
