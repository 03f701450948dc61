r"""The layers of StyleGAN2: equalised fully connected, modulated convolution, and the projection to RGB.

Equalised learning rate: a stored weight is N(0, 1) and multiplied by 1/sqrt(fan_in) when used (Karras et al., 2018,
arXiv 1710.10196). Modulated convolution with style s (Karras et al., 2020, arXiv 1912.04958, equations 1 to 3):

    w'_oik = s_i w_oik,     w''_oik = w'_oik / sqrt(sum_ik w'_oik^2 + eps)

Neither w' nor w'' is ever built. Convolution is linear, so the input is scaled by s and the output by
d_o = 1/sqrt(sum_i s_i^2 sum_k w_oik^2 + eps): every sample of a batch shares one weight, whose gradient need not be
computed where the weight is frozen (a third of a training step's arithmetic), nor where its change is low-rank
(`gpk.convolution`; through d the changed weight's gradient is elementwise).

In reduced precision the products would leave float16's range: there w is divided by its largest entry per output and
s by its largest per sample, and d takes both back. They cancel exactly, so they are constants to the gradient.

Shapes: B batch, C input channels, O output channels, D latent width, k kernel side, H and W sides.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gpk.convolution import convolved, factors_of
from gpk_stylegan2.resample import binomial_filter, smoothed

Activation = Literal["linear", "lrelu"]
SLOPE = 0.2
"""Leaky ReLU's below 0 (Karras et al., 2019, arXiv 1812.04948, appendix C)."""
GAIN = math.sqrt(2)
"""Leaky ReLU's gain, which keeps the variance."""
EPSILON = 1e-8
"""Under a square root, against division by zero."""


class FullyConnected(nn.Module):
    """x [..., in] to [..., out], with an equalised weight; `lr_multiplier` slows weight and bias down alike."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        activation: Activation = "linear",
        lr_multiplier: float = 1.0,
        bias_init: float = 0.0,
    ) -> None:
        super().__init__()
        self.activation: Activation = activation
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((out_features,), bias_init / lr_multiplier))
        self.weight_gain = lr_multiplier / math.sqrt(in_features)
        self.bias_gain = lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        """Activations [..., out] for `x` [..., in]."""
        bias = self.bias if self.bias_gain == 1 else self.bias * self.bias_gain
        y = F.linear(x * self.weight_gain, self.weight, bias)
        return y if self.activation == "linear" else F.leaky_relu(y, SLOPE) * GAIN


class SynthesisLayer(nn.Module):
    """Modulated convolution, noise, bias, leaky ReLU, clamp: [B, C, H, W] to [B, O, H, W], or twice the sides where
    `up`.

    `resolution` is the side after it; the result stays within [-clamp, clamp] where there is a `clamp`.
    """

    noise_const: Tensor
    resample_filter: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        w_dim: int,
        resolution: int,
        up: bool = False,
        clamp: float | None = None,
        kernel_size: int = 3,
    ) -> None:
        super().__init__()
        self.resolution, self.up, self.clamp = resolution, up, clamp
        self.affine = FullyConnected(w_dim, in_channels, bias_init=1)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.register_buffer("resample_filter", binomial_filter())

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None = None) -> Tensor:
        """`w` [B, D] styles the layer; `noise` [1 or B, 1, H, W] is weighted by the layer's strength.

        The style and the demodulation stay in w's precision; the convolution runs in x's.
        """
        style, weight, factors = self.affine(w), self.weight, factors_of(self)
        scale = demodulation(weight, style) * GAIN
        if x.dtype in (torch.float16, torch.bfloat16):
            # Output up to sqrt(fan_in) times x's largest entry, as it is for unit-norm weights.
            loudest = weight.detach().abs().amax((1, 2, 3)) * math.sqrt(weight[0].numel())
            brightest = style.detach().abs().amax(1, keepdim=True)
            weight, style = weight / loudest[:, None, None, None], style / brightest
            factors = factors and factors._replace(b=factors.b / loudest[:, None])
            scale = scale * loudest * brightest
        y = convolved(x * style.to(x.dtype)[:, :, None, None], weight.to(x.dtype), factors, up=self.up)
        if self.up:
            y = smoothed(y, self.resample_filter)
        scale = scale.to(x.dtype)[:, :, None, None]
        # leaky_relu(a) * gain = leaky_relu(a * gain): the gain is in the scale, the noise and the bias.
        bias = (self.bias * GAIN).to(x.dtype)[:, None, None]
        if noise is None:
            y = torch.addcmul(bias, y, scale)
        else:
            y = torch.addcmul((noise * (self.noise_strength * GAIN)).to(x.dtype), y, scale) + bias
        return activated(y, self.clamp)


class ToRGB(nn.Module):
    """Modulated 1x1 convolution without demodulation: [B, C, H, W] to a picture [B, O, H, W]."""

    def __init__(self, in_channels: int, out_channels: int, *, w_dim: int, clamp: float | None = None) -> None:
        super().__init__()
        self.clamp = clamp
        self.affine = FullyConnected(w_dim, in_channels, bias_init=1)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.weight_gain = 1 / math.sqrt(in_channels)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """`w` [B, D] styles the layer."""
        style = self.affine(w) * self.weight_gain
        weight = self.weight
        # One product per sample with the styled weight [B, O, C]: far smaller here than styling x.
        y = (weight.flatten(1) * style[:, None]).to(x.dtype) @ x.flatten(2)
        y = y.unflatten(2, x.shape[2:]) + self.bias.to(x.dtype)[:, None, None]
        return clamped(y, self.clamp)


def demodulation(weight: Tensor, style: Tensor) -> Tensor:
    """The scale d [B, O] of the outputs for `weight` [O, C, k, k] and `style` [B, C]."""
    energy = weight.square().sum((2, 3))
    return torch.rsqrt(style.square() @ energy.T + EPSILON)


def activated(y: Tensor, limit: float | None) -> Tensor:
    """The leaky ReLU of `y`, within [-limit, limit] where there is one. May change `y`."""
    if limit is None:
        return F.leaky_relu(y, SLOPE, inplace=True)
    if y.requires_grad and torch.is_grad_enabled():
        return _Activated.apply(y, limit)
    return clamped(F.leaky_relu(y, SLOPE, inplace=True), limit)


class _Activated(torch.autograd.Function):
    """Keeps the result alone, which tells both where the ReLU was steep and where the clamp was reached."""

    generate_vmap_rule = True

    @staticmethod
    def forward(y: Tensor, limit: float) -> Tensor:
        return clamped(F.leaky_relu(y, SLOPE), limit)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ANN401 - torch's own
        ctx.limit = inputs[1]
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        (output,) = ctx.saved_tensors
        (grad,) = gradients
        # A trifle inside the limit, for MPS lets the gradient through at the very limit (pytorch#190506).
        limit = ctx.limit * (1 - 2**-20)
        grad = torch.ops.aten.hardtanh_backward(grad, output, -limit, limit)
        return torch.ops.aten.leaky_relu_backward(grad, output, SLOPE, True), None


def clamped(x: Tensor, limit: float | None) -> Tensor:
    """`x` within [-limit, limit]; as it is where there is no limit."""
    # The same as clamp, whose gradient takes four passes over x instead of one.
    return x if limit is None else F.hardtanh(x, -limit, limit)
