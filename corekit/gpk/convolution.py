r"""Convolutions that compute and keep for the gradient only what their weight's change asks for.

A frozen weight W0 asks for dx alone, and nothing of x is kept. A changed weight W0 + BA asks for the gradients of
A and B, which are narrow shadows of W's: with h = A ∗ x, as many channels as A has rows, and g = Bᵀ·dy,

    dB = dy · hᵀ          dA = g ⋆ x          dx = Wᵀ ∗ dy,   as ever

so that a step on low-rank changes costs two thirds of a step on whole weights. Forward it is the same convolution
with the changed weight, bit for bit. The convolutions of so few channels are done tap by tap: one matrix product for
all k·k taps and as many shifts, several times faster than what a library does for one channel.

Shapes: B batch, C input channels, O output channels, r rows of A, k kernel side (odd), H and W the input's sides.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.grad import conv2d_input
from torch.nn.utils import parametrize

from gpk.lowrank import LoRA


class Factors(NamedTuple):
    """A weight's change as a product: `b` [O, r], B with its scale, times `a` [r, C, k, k]."""

    b: Tensor
    a: Tensor


def factors_of(module: nn.Module, name: str = "weight") -> Factors | None:
    """The factors of the LoRA attached to a convolution's weight [O, C, k, k].

    None where nothing or something else is attached, where nothing is to be learned, where the layout is no product of
    convolutions (loralib), and where so many rows would not save half of the weight gradient's arithmetic.
    """
    if not (torch.is_grad_enabled() and parametrize.is_parametrized(module, name)):
        return None
    change = getattr(module.parametrizations, name)[0]
    if not isinstance(change, LoRA) or change.layout == "loralib" or not change.A.requires_grad:
        return None
    rows, (outputs, inputs, k, _) = len(change.A), change.shape
    if 4 * rows * (k * k * inputs + outputs) > k * k * inputs * outputs:
        return None
    return Factors(change.scale * change.B, change.A.view(rows, inputs, k, k))


def convolved(x: Tensor, weight: Tensor, factors: Factors | None = None, *, up: bool = False) -> Tensor:
    """`x` [B, C, H, W] convolved with `weight` [O, C, k, k] to [B, O, H, W].

    With `up` it is the transposed convolution of stride 2, unpadded: [B, O, 2H + k - 2, 2W + k - 2]. With `factors`
    the weight's gradient goes to them instead: `weight` must be W0 + b · a.
    """
    if factors is not None:
        return _Factored.apply(x, weight.detach(), factors.b.to(x.dtype), factors.a.to(x.dtype), up)
    if not weight.requires_grad and x.requires_grad and torch.is_grad_enabled():
        return _Frozen.apply(x, weight, up, weight.shape[-1] // 2, 1)
    return _convolved(x, weight, up, weight.shape[-1] // 2, 1)


def filtered(x: Tensor, kernel: Tensor, *, padding: int) -> Tensor:
    """Every channel of `x` [B, C, H, W] convolved with the constant `kernel` [k, k], `padding` zeros around it."""
    weight = kernel.to(x.dtype).repeat(x.shape[1], 1, 1, 1)
    frozen = _Frozen.apply if x.requires_grad and torch.is_grad_enabled() else _convolved
    return frozen(x, weight, False, padding, x.shape[1])


def _convolved(x: Tensor, weight: Tensor, up: bool, padding: int, groups: int) -> Tensor:
    if up:
        return F.conv_transpose2d(x, _turned(weight), stride=2)
    return F.conv2d(x, weight, padding=padding, groups=groups)


def _gradient(dy: Tensor, x_shape: torch.Size, weight: Tensor, up: bool, padding: int, groups: int) -> Tensor:
    """dx: the two convolutions are each other's transpose."""
    if up:
        return F.conv2d(dy, _turned(weight), stride=2)
    return conv2d_input(x_shape, weight, dy, padding=padding, groups=groups)


def _turned(weight: Tensor) -> Tensor:
    """Inputs and outputs in each other's place; in one piece, for MPS misreads views (pytorch#192212)."""
    return weight.transpose(0, 1).contiguous()


class _Frozen(torch.autograd.Function):
    """`_convolved` by a weight that needs no gradient; autograd's own would keep x nevertheless."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, up: bool, padding: int, groups: int) -> Tensor:
        return _convolved(x, weight, up, padding, groups)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ANN401
        x, weight, ctx.up, ctx.padding, ctx.groups = inputs
        ctx.shape = x.shape
        ctx.save_for_backward(weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        (dy,) = gradients
        (weight,) = ctx.saved_tensors
        return _gradient(dy, ctx.shape, weight, ctx.up, ctx.padding, ctx.groups), None, None, None, None


class _Factored(torch.autograd.Function):
    """`_convolved` by the weight W0 + b · a."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, b: Tensor, a: Tensor, up: bool) -> Tensor:
        return _convolved(x, weight, up, weight.shape[-1] // 2, 1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ANN401
        *tensors, ctx.up = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        (dy,) = gradients
        x, weight, b, a = ctx.saved_tensors
        rows, _, k, _ = a.shape
        # Read as a transposed convolution, a plain one has its kernel turned round, stride 1, and its rim cut off.
        stride, rim, kernel = (2, 0, a) if ctx.up else (1, k // 2, a.flip(2, 3))
        taps = kernel.permute(2, 3, 0, 1).flatten(0, 2)  # [k k r, C]
        columns, errors = x.flatten(2), dy.flatten(2)

        spread = (taps @ columns).unflatten(1, (k, k, rows)).unflatten(-1, x.shape[2:])
        h = x.new_zeros(len(x), rows, *(side + 2 * rim for side in dy.shape[2:]))
        for i, j, window in _windows(h, k, stride, x.shape[2:]):
            window += spread[:, i, j]
        h = h[..., rim : rim + dy.shape[2], rim : rim + dy.shape[3]]
        db = (errors @ h.flatten(2).mT).sum(0)

        g = F.pad((b.T @ errors).unflatten(-1, dy.shape[2:]), (rim,) * 4)
        shifted = torch.stack([window for _, _, window in _windows(g, k, stride, x.shape[2:])], 1)
        d_taps = (shifted.flatten(1, 2).flatten(2) @ columns.mT).sum(0).unflatten(0, (k, k, rows))
        da = d_taps.permute(2, 3, 0, 1)

        dx = _gradient(dy, x.shape, weight, ctx.up, k // 2, 1) if ctx.needs_input_grad[0] else None
        return dx, None, db, da if ctx.up else da.flip(2, 3), None


def _windows(image: Tensor, k: int, stride: int, size: torch.Size) -> Iterator[tuple[int, int, Tensor]]:
    """For every tap the part of `image` that an input of `size` reaches through it."""
    high, wide = (stride * (side - 1) + 1 for side in size)
    for i in range(k):
        for j in range(k):
            yield i, j, image[..., i : i + high : stride, j : j + wide : stride]
