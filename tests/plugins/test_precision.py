"""Reduced precision: how near to float32 it stays, and what it loses; on the CPU, whose half types round alike."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gpk.attach import attached
from gpk.generator import fingerprint
from gpk.persona import Origin, Persona
from gpk.precision import allow_tf32
from gpk.recipe import Recipe
from gpk.seeding import seeded
from gpk_eg3d.config import EG3DConfig
from gpk_eg3d.network import EG3D
from gpk_stylegan2.config import StyleGAN2Config
from gpk_stylegan2.network import StyleGAN2

NEAR = {torch.bfloat16: (2e-2, 2e-1), torch.float16: (2e-3, 2e-2)}
"""Relative errors allowed to the picture and to the gradient of w: twice the larger of those measured."""


def stylegan2(side: int) -> StyleGAN2:
    config = StyleGAN2Config(
        z_dim=64,
        w_dim=64,
        img_resolution=side,
        mapping_layers=2,
        channel_base=16 * side,
        channel_max=32,
        num_fp16_res=4,
        conv_clamp=256.0,
    )
    return StyleGAN2(config)


def eg3d(side: int) -> EG3D:
    config = EG3DConfig(
        z_dim=32,
        w_dim=32,
        img_resolution=side,
        plane_resolution=32,
        plane_channels=8,
        channel_base=1024,
        channel_max=32,
        decoder_hidden=16,
        neural_rendering_resolution=side // 4,
        depth_resolution=8,
        depth_resolution_importance=8,
        sr_input_resolution=side // 4,
        sr_channels=(32, 16),
    )
    return EG3D(config)


class Case:
    """A generator of random weights, a persona that changes it a little, and photos that are nearly its pictures."""

    def __init__(self, build: Callable[[int], StyleGAN2 | EG3D], side: int) -> None:
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(0)
            self.generator = generator = build(side).eval().requires_grad_(False)
        rng = seeded(0)
        for name, parameter in generator.named_parameters():
            small, slow = name.endswith(("bias", "noise_strength")), "mapping.fc" in name
            nn.init.normal_(parameter, std=0.1 if small else 100.0 if slow else 1.0, generator=rng)
        with torch.no_grad():
            self.w = generator.mapping(torch.randn(2, generator.latent.z_dim, generator=rng))
            picture = generator(self.w).image
        self.photos = picture + 0.1 * torch.randn(picture.shape, generator=rng)
        origin = Origin("small", "small", fingerprint(generator))
        self.persona = Persona.create(generator, Recipe(rank=1), origin=origin, anchors=self.w[:, 0], rng=rng)
        for parameter in self.persona.parameters():
            nn.init.normal_(parameter, std=0.01, generator=rng)

    def step(self, half: torch.dtype | None, scale: float = 1.0) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """The picture, the gradient of w and the persona's by name, of mean squares that are multiplied by `scale`."""
        w = self.w.clone().requires_grad_()
        changes = {
            f"{key}.{name}": parameter
            for key, change in self.persona.changes.items()
            for name, parameter in change.named_parameters()
        }
        self.generator.half_dtype = half
        with attached(self.generator, self.persona) as generator:
            render = generator(w)
            loss = torch.stack(
                [F.mse_loss(level, F.adaptive_avg_pool2d(self.photos, level.shape[-1])) for level in render.pyramid]
            ).sum()
            # Super-resolution runs without noise: its strengths have no gradient.
            grads = torch.autograd.grad(loss * scale, [w, *changes.values()], allow_unused=True)
        learned = {name: grad / scale for name, grad in zip(changes, grads[1:], strict=True) if grad is not None}
        assert grads[0] is not None
        return render.image.detach(), grads[0] / scale, learned


def apart(got: Tensor, exact: Tensor) -> float:
    return float((got - exact).norm() / exact.norm())


@pytest.mark.parametrize("half", NEAR, ids=str)
@pytest.mark.parametrize("build", [stylegan2, eg3d])
def test_half_precision_is_near(build: Callable[[int], StyleGAN2 | EG3D], half: torch.dtype) -> None:
    case = Case(build, 64)
    exact, near = case.step(None), case.step(half, 2.0**12)
    assert not torch.equal(near[0], exact[0]), "nothing was reduced"
    assert apart(near[0], exact[0]) < NEAR[half][0]
    assert apart(near[1], exact[1]) < NEAR[half][1]
    assert near[2].keys() == exact[2].keys()
    assert all(grad.isfinite().all() for grad in near[2].values())


def test_float16_loses_small_gradients_unless_the_loss_is_scaled() -> None:
    """At 512 x 512 a pixel's gradient of the mean squares is about float16's smallest number, 6e-8; at 64 x 64 that of
    a 64th of them is.
    """
    case, share = Case(eg3d, 64), (64 / 512) ** 2
    _, _, exact = case.step(None)

    def worst(scale: float) -> float:
        _, _, grads = case.step(torch.float16, scale * share)
        return max(apart(grads[name], grad) for name, grad in exact.items() if name.startswith("superresolution"))

    assert worst(1.0) > 0.9
    assert worst(2.0**12) < 0.3


def test_tf32_is_for_cuda_alone_and_read_alike_by_old_and_new_names() -> None:
    matmul = torch.backends.cuda.matmul
    before = matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    try:
        matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        allow_tf32(torch.device("cpu"))
        assert (matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == (False, False)
        allow_tf32(torch.device("cuda", 1))
        assert (matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == (True, True)
        assert torch.get_float32_matmul_precision() == "high"
        if torch.__version__ >= "2.9":
            assert matmul.fp32_precision == "tf32"
    finally:
        matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
