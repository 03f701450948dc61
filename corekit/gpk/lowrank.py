r"""Changes of one stored weight: W0 + scale * BA, and W0 + D.

Low-rank adaptation (Hu et al., 2022, arXiv 2106.09685) carried to convolutions in three layouts. For W [C1, C2, k, k]
and rank r (a linear layer has k = 1, where all three agree):

    flat      A [r, C2 k k]     B [C1, r]       true rank r: the formula of the My3DGen paper
    kernel    A [r k, C2 k k]   B [C1, r k]     true rank r k: what its release computes
    loralib   A [r k, C2 k]     B [C1 k, r k]   memory reinterpreted as [C1, C2, k, k]: checkerboards (its Fig. 11)

The change lives in weight space, because demodulation divides by the norm of the changed weight: a side branch with
W0's demodulation would compute something else.

Shapes: C1 outputs, C2 inputs, k side of the kernel, r rank.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

Layout = Literal["flat", "kernel", "loralib"]
"""How the factors of a convolution are shaped."""
Init = Literal["kaiming", "normal"]
"""How A starts: kaiming-uniform(√5), which is U(-1/√n, 1/√n) for rows of n numbers, or N(0, 1)."""


def factor_shapes(shape: tuple[int, ...], rank: int, layout: Layout) -> tuple[tuple[int, int], tuple[int, int]]:
    """Shapes of A and B for a weight [C1, C2] or [C1, C2, k, k].

    >>> factor_shapes((64, 32, 3, 3), 1, "kernel")
    ((3, 288), (64, 3))
    """
    rows, columns = shape[0], math.prod(shape[1:])
    k = shape[-1] if len(shape) == 4 else 1
    match layout:
        case "flat":
            return (rank, columns), (rows, rank)
        case "kernel":
            return (rank * k, columns), (rows, rank * k)
        case "loralib":
            return (rank * k, columns // k), (rows * k, rank * k)


class LoRA(nn.Module):
    """W0 → W0 + scale·(BA) in W0's shape, zero at init: B starts at zero, A as `init` says, drawn from `rng`."""

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        rank: int,
        scale: float,
        layout: Layout,
        init: Init = "kaiming",
        device: torch.device | str = "cpu",
        rng: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.shape = shape
        self.rank = rank
        self.scale = scale
        self.layout: Layout = layout
        a, b = factor_shapes(shape, rank, layout)
        if init == "kaiming":  # kaiming_uniform_(a=√5) is U(-1/√fan_in, 1/√fan_in)
            start = (2 * torch.rand(a, generator=rng) - 1) / math.sqrt(a[1])
        else:
            start = torch.randn(a, generator=rng)
        self.A = nn.Parameter(start.to(device))
        self.B = nn.Parameter(torch.zeros(b, device=device))

    def delta(self) -> Tensor:
        """The change of the stored weight, in its shape."""
        return (self.scale * self.B @ self.A).view(self.shape)

    def forward(self, weight: Tensor) -> Tensor:
        """The changed weight."""
        return weight + self.delta().to(weight.dtype)


class Offset(nn.Module):
    """W0 → W0 + D, D zero at init: for biases, noise strengths, the constant, and layers tuned whole."""

    def __init__(self, shape: tuple[int, ...], *, device: torch.device | str = "cpu") -> None:
        super().__init__()
        self.D = nn.Parameter(torch.zeros(shape, device=device))

    def delta(self) -> Tensor:
        """The change of the stored weight."""
        return self.D

    def forward(self, weight: Tensor) -> Tensor:
        """The changed weight."""
        return weight + self.D.to(weight.dtype)


Change = LoRA | Offset
"""What becomes of one stored weight."""
