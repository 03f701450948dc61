import copy
import dataclasses

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, vmap

from corekit.camera import Camera
from corekit.errors import InputError, UnknownNameError
from corekit.generator import Render
from corekit.testing.alike import alike
from gpk_eg3d.network import EG3D


@pytest.fixture
def w(eg3d: EG3D, rng: torch.Generator) -> Tensor:
    """Three latents, another for every layer."""
    return torch.randn(3, eg3d.latent.num_ws, eg3d.latent.w_dim, generator=rng)


@pytest.fixture
def cameras() -> Camera:
    return Camera.orbit(torch.tensor([0.0, 0.3, -0.3]), torch.tensor([0.2, 0.0, -0.1]))


def parts(render: Render) -> tuple[Tensor, Tensor, Tensor]:
    image, raw, depth = render
    assert raw is not None
    assert depth is not None
    return image, raw, depth


def close(one: Render, other: Render) -> None:
    for a, b in zip(parts(one), parts(other), strict=True):
        assert alike(a, b, within=2e-5)  # 1e-6 was seen


def test_a_view_has_three_pictures_of_their_sides(eg3d: EG3D, w: Tensor) -> None:
    render = eg3d(w)
    assert [None if x is None else tuple(x.shape) for x in render] == [(3, 3, 32, 32), (3, 3, 8, 8), (3, 1, 8, 8)]
    finer = eg3d(w, resolution=12)
    assert finer.image.shape == (3, 3, 32, 32)
    assert finer.raw is not None
    assert finer.raw.shape == (3, 3, 12, 12)


def test_a_view_does_not_depend_on_its_batch(eg3d: EG3D, w: Tensor, cameras: Camera) -> None:
    alone = [eg3d(one[None], cameras[i]) for i, one in enumerate(w)]
    close(eg3d(w, cameras), Render(*(torch.cat(same) for same in zip(*map(parts, alone), strict=True))))


def test_a_call_changes_nothing(eg3d: EG3D, w: Tensor) -> None:
    before = copy.deepcopy(eg3d.state_dict())
    assert all(map(torch.equal, parts(eg3d(w)), parts(eg3d(w))))
    assert all(torch.equal(tensor, before[name]) for name, tensor in eg3d.state_dict().items())


def test_a_seed_is_a_picture(eg3d: EG3D, w: Tensor) -> None:
    def seeded(seed: int) -> Render:
        return eg3d(w, noise="random", rng=torch.Generator().manual_seed(seed))

    assert all(map(torch.equal, parts(seeded(1)), parts(seeded(1))))
    assert not torch.equal(seeded(1).image, seeded(2).image)


def test_an_rng_jitters_the_rays_alone(eg3d: EG3D, w: Tensor) -> None:
    jittered = eg3d(w, rng=torch.Generator().manual_seed(1)).raw
    fixed = eg3d(w).raw
    assert 0 < (jittered - fixed).norm() < 0.5 * fixed.norm()


def test_no_camera_is_the_frontal_one(eg3d: EG3D, w: Tensor, rng: torch.Generator) -> None:
    for camera in (eg3d.frontal(), eg3d.frontal(3)):
        assert all(map(torch.equal, parts(eg3d(w)), parts(eg3d(w, camera))))
    z = torch.randn(2, eg3d.latent.z_dim, generator=rng)
    assert torch.equal(eg3d.mapping(z), eg3d.mapping(z, eg3d.frontal(2)))
    assert not torch.equal(eg3d.mapping(z), eg3d.mapping(z, Camera.orbit(0.3, 0.0)))


def test_a_wrong_number_of_cameras_is_refused(eg3d: EG3D, w: Tensor, cameras: Camera) -> None:
    with pytest.raises(InputError, match="2 cameras for a batch of 3"):
        eg3d(w, cameras[:2])


def test_a_zero_label_hides_the_camera(eg3d: EG3D, rng: torch.Generator) -> None:
    eg3d.config = dataclasses.replace(eg3d.config, c_gen_conditioning_zero=True)
    z = torch.randn(2, eg3d.latent.z_dim, generator=rng)
    assert torch.equal(eg3d.mapping(z), eg3d.mapping(z, Camera.orbit(0.3, 0.0)))


def test_planes_once_and_many_views(eg3d: EG3D, w: Tensor, cameras: Camera) -> None:
    planes = eg3d.planes(w[:1])
    for i in range(3):
        close(eg3d.view(planes, w[:1], cameras[i]), eg3d(w[:1], cameras[i]))


def test_the_field_is_what_the_rays_meet(eg3d: EG3D, w: Tensor, rng: torch.Generator) -> None:
    points = torch.rand(3, 20, 3, generator=rng) - 0.5
    colours, density = eg3d.field(points, eg3d.planes(w))
    assert colours.shape == (3, 20, eg3d.config.decoder_features)
    assert density.shape == (3, 20, 1)
    assert colours.min() >= -0.001
    assert colours.max() <= 1.001
    far = eg3d.field(points + 10, eg3d.planes(w))[1]
    torch.testing.assert_close(far, far[:1, :1].expand_as(far))


def test_noise_maps_are_the_backbones(eg3d: EG3D, w: Tensor) -> None:
    maps = {path: noise[None, None] for path, noise in eg3d.noise_maps().items()}
    assert list(maps) == [s.path for s in eg3d.sites() if s.kind == "noise" and s.part == "backbone"]
    assert torch.equal(eg3d(w, noise=maps).image, eg3d(w).image)
    silent = {path: torch.zeros_like(noise) for path, noise in maps.items()}
    torch.testing.assert_close(eg3d(w, noise=silent).image, eg3d(w, noise="none").image)
    with pytest.raises(UnknownNameError, match=r"unknown noise map 'superresolution\.block0\.conv0'"):
        eg3d(w, noise={"superresolution.block0.conv0": torch.zeros(1, 1, 16, 16)})


def test_gradients_reach_w_and_every_site_that_is_used(eg3d: EG3D, rng: torch.Generator) -> None:
    eg3d.requires_grad_(True)
    latents = eg3d.mapping(torch.randn(2, eg3d.latent.z_dim, generator=rng))
    latents.retain_grad()
    render = eg3d(latents)
    torch.stack([level.square().sum() for level in render.pyramid]).sum().backward()
    assert latents.grad is not None
    assert (latents.grad != 0).any(2).all()
    for site in eg3d.sites():
        grad = eg3d.weight(site).grad
        if site.kind == "noise" and site.part == "superres":
            assert grad is None, site.key
        else:
            assert grad is not None, site.key
            assert grad.count_nonzero(), site.key


def test_depth_alone_has_finite_gradients(eg3d: EG3D, w: Tensor, cameras: Camera) -> None:
    w.requires_grad_(True)
    eg3d(w, cameras).depth.sum().backward()
    assert w.grad is not None
    assert w.grad.isfinite().all()
    assert w.grad.count_nonzero()


def test_gradients_can_be_differentiated_again(eg3d: EG3D, w: Tensor, rng: torch.Generator) -> None:
    # Planes sampled bilinearly have no second derivative in torch: super-resolution and field are tried apart.
    features = torch.randn(3, eg3d.config.decoder_features, 8, 8, generator=rng, requires_grad=True)
    picture = eg3d.superresolution(features, w[:, -1])
    (slope,) = torch.autograd.grad(picture.square().sum(), features, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.square().sum(), features)
    assert curvature.isfinite().all()
    assert curvature.count_nonzero()


def test_weights_per_sample(eg3d: EG3D, w: Tensor, rng: torch.Generator) -> None:
    own = {
        name: torch.stack([p + 0.1 * torch.randn(p.shape, generator=rng) for _ in w])
        for name, p in eg3d.named_parameters()
    }

    def one(parameters: dict[str, Tensor], latent: Tensor) -> tuple[Tensor, ...]:
        return tuple(x[0] for x in parts(functional_call(eg3d, parameters, (latent[None],))))

    alone = [one({name: p[i] for name, p in own.items()}, latent) for i, latent in enumerate(w)]
    close(Render(*vmap(one)(own, w)), Render(*(torch.stack(same) for same in zip(*alone, strict=True))))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("part", ["superresolution", "backbone"])
def test_reduced_precision_where_asked(eg3d: EG3D, w: Tensor, part: str, dtype: torch.dtype) -> None:
    plain = eg3d(w)
    if part == "backbone":
        for _, block in eg3d.backbone.synthesis.blocks():
            block.reduced = block.resolution == 16
    eg3d.half_dtype = dtype
    rough = eg3d(w)
    assert rough.image.dtype == torch.float32
    assert 0 < (rough.image - plain.image).norm() < 0.05 * plain.image.norm()
    if part == "superresolution":
        assert torch.equal(rough.raw, plain.raw)


def test_super_resolution_clamps_in_full_precision(eg3d: EG3D, w: Tensor) -> None:
    plain = eg3d(w).image
    for _, block in eg3d.superresolution.blocks():
        for layer in (block.conv0, block.conv1, block.torgb):
            assert layer.clamp == 256
            layer.clamp = 0.01
    assert not torch.allclose(eg3d(w).image, plain)


def test_reduced_precision_is_off_without_fp16(eg3d: EG3D) -> None:
    with torch.device("meta"):
        plain = EG3D(dataclasses.replace(eg3d.config, sr_num_fp16_res=0))
    for _, block in plain.superresolution.blocks():
        assert not block.reduced
        assert block.conv0.clamp is None


def test_a_small_prior(rng: torch.Generator, eg3d: EG3D) -> None:
    """No label, no importance samples, an opaque far shell, a block of super-resolution that keeps the side."""
    config = dataclasses.replace(
        eg3d.config,
        c_dim=0,
        img_resolution=16,
        sr_up=(False, True),
        sr_num_fp16_res=0,
        depth_resolution_importance=0,
        density_gain=12.0,
        density_offset=-2.0,
        opaque_far=True,
        plane_axes=("xy", "xz", "zy"),
    )
    generator = EG3D(config)
    render = generator(generator.mapping(torch.randn(2, config.z_dim, generator=rng)))
    assert render.image.shape == (2, 3, 16, 16)
    assert "backbone.mapping.embed.weight" not in generator.state_dict()
    assert config.sr_resolutions == (8, 16)


def test_official_file_with_a_filter_of_its_own(eg3d: EG3D) -> None:
    assert "superresolution.resample_filter" not in eg3d.state_dict()
    with torch.device("meta"):
        older = EG3D(dataclasses.replace(eg3d.config, sr_resample_filter=True))
    assert set(older.state_dict()) - set(eg3d.state_dict()) == {"superresolution.resample_filter"}
