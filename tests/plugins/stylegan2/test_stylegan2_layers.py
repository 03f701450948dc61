import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from corekit.testing.alike import alike
from gpk_stylegan2.layers import GAIN, SLOPE, FullyConnected, SynthesisLayer, ToRGB
from gpk_stylegan2.resample import binomial_filter, doubled, smoothed

FIR = binomial_filter()


def zeros_between(x: Tensor) -> Tensor:
    """`x` [B, C, H, W] on the even pixels of a picture [B, C, 2H, 2W] of zeros."""
    wide = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
    wide[:, :, ::2, ::2] = x
    return wide


def filtered(x: Tensor) -> Tensor:
    """Every channel correlated with the filter, gain 4, without padding."""
    channels = x.shape[1]
    return F.conv2d(x, (FIR * 4).expand(channels, 1, 4, 4), groups=channels)


def test_the_filter_has_sum_one_and_is_symmetric() -> None:
    assert FIR.sum() == 1
    assert torch.equal(FIR, FIR.flip(0, 1))


def test_doubling_is_zeros_padding_and_filter(rng: torch.Generator) -> None:
    x = torch.randn(2, 3, 5, 6, generator=rng)
    torch.testing.assert_close(doubled(x, FIR), filtered(F.pad(zeros_between(x), (2, 1, 2, 1))))


def test_doubling_keeps_a_flat_picture_flat_inside() -> None:
    torch.testing.assert_close(doubled(torch.ones(1, 1, 6, 6), FIR)[..., 2:-2, 2:-2], torch.ones(1, 1, 8, 8))


def test_smoothing_pads_one_pixel(rng: torch.Generator) -> None:
    x = torch.randn(2, 3, 9, 9, generator=rng)
    torch.testing.assert_close(smoothed(x, FIR), filtered(F.pad(x, (1, 1, 1, 1))))


def test_a_connected_layer_multiplies_by_its_gains(rng: torch.Generator) -> None:
    layer = FullyConnected(6, 4, activation="lrelu", lr_multiplier=0.01, bias_init=0.5)
    x = torch.randn(3, 6, generator=rng)
    weight, bias = layer.weight * layer.weight_gain, layer.bias * layer.bias_gain
    torch.testing.assert_close(bias, torch.full((4,), 0.5))
    torch.testing.assert_close(layer(x), F.leaky_relu(x @ weight.T + bias, SLOPE) * GAIN)


def layer_by_definition(layer: SynthesisLayer, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
    """Equations 1 to 3 of StyleGAN2, one sample at a time with its own weight."""
    pictures = []
    for sample, style in zip(x, layer.affine(w), strict=True):
        weight = layer.weight * style[:, None, None]
        weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if layer.up:
            y = smoothed(F.conv_transpose2d(sample[None], weight.transpose(0, 1), stride=2), FIR)
        else:
            y = F.conv2d(sample[None], weight, padding=1)
        pictures.append(y)
    y = torch.cat(pictures) + noise * layer.noise_strength + layer.bias[:, None, None]
    y = F.leaky_relu(y, SLOPE) * GAIN
    return y if layer.clamp is None else y.clamp(-layer.clamp, layer.clamp)


def lively(layer: SynthesisLayer) -> SynthesisLayer:
    """`layer` with a bias and a noise strength that are not zero."""
    with torch.no_grad():
        layer.bias.uniform_(-1, 1)
        layer.noise_strength.fill_(0.3)
    return layer


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("clamp", [None, 0.7])
def test_a_synthesis_layer_is_its_definition(up: bool, clamp: float | None, rng: torch.Generator) -> None:
    layer = lively(SynthesisLayer(5, 7, w_dim=6, resolution=8, up=up, clamp=clamp))
    x, w = torch.randn(3, 5, *(2 * [4 if up else 8]), generator=rng), torch.randn(3, 6, generator=rng)
    noise = torch.randn(3, 1, 8, 8, generator=rng)
    assert alike(layer(x, w, noise), layer_by_definition(layer, x, w, noise), within=1e-5)


def test_a_style_and_a_weight_may_be_scaled_freely(rng: torch.Generator) -> None:
    layer = SynthesisLayer(5, 7, w_dim=6, resolution=4)
    x, w = torch.randn(2, 5, 4, 4, generator=rng), torch.randn(2, 6, generator=rng)
    before = layer(x, w)
    with torch.no_grad():
        layer.weight.mul_(30)
    assert alike(layer(x, w), before, within=1e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 3e-3), (torch.bfloat16, 2e-2)])
def test_reduced_precision_neither_overflows_nor_drifts(
    dtype: torch.dtype, tolerance: float, rng: torch.Generator
) -> None:
    layer = lively(SynthesisLayer(32, 16, w_dim=6, resolution=8))
    with torch.no_grad():
        layer.weight.mul_(1e5)  # not representable in float16, nor is its square
    x, w = 100 * torch.randn(2, 32, 8, 8, generator=rng), 1e3 * torch.randn(2, 6, generator=rng)
    exact, rough = layer(x, w), layer(x.to(dtype), w)
    assert rough.dtype == dtype
    assert (rough.float() - exact).norm() <= tolerance * exact.norm()


def test_reduced_precision_has_the_same_gradients(rng: torch.Generator) -> None:
    layer = SynthesisLayer(8, 6, w_dim=6, resolution=8)
    with torch.no_grad():
        layer.bias.fill_(20)  # away from the kink, where a rounding error would turn a whole slope
    x, w = torch.randn(2, 8, 8, 8, generator=rng), torch.randn(2, 6, generator=rng)
    pull = torch.randn(2, 6, 8, 8, generator=rng)
    exact, rough = (
        torch.autograd.grad((layer(x.to(dtype), w).float() * pull).sum(), [layer.weight, layer.affine.weight])
        for dtype in (torch.float32, torch.float16)
    )
    for one, other in zip(exact, rough, strict=True):
        assert (one - other).norm() <= 5e-3 * one.norm()


def test_torgb_is_its_definition(rng: torch.Generator) -> None:
    layer = ToRGB(5, 3, w_dim=6, clamp=0.8)
    with torch.no_grad():
        layer.bias.uniform_(-1, 1)
    x, w = torch.randn(2, 5, 4, 4, generator=rng), torch.randn(2, 6, generator=rng)
    styled = x * layer.affine(w)[:, :, None, None] * layer.weight_gain
    expected = F.conv2d(styled, layer.weight, layer.bias).clamp(-0.8, 0.8)
    assert alike(layer(x, w), expected, within=1e-5)
