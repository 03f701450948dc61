"""How far two tensors are apart, in units of their own size, and how far rounding alone may put them.

The same call, made twice, gives the same bits: one machine does the same sums in the same order. Another call need not.
A matrix product of one row and of a hundred run in different kernels, different again on another processor, and each
adds in its own order: it is off by about 2⁻²⁴ of the largest numbers that it adds, not of what comes out. So a
difference is told as

    off(a, b) = max |a - b| / max |b|

and an entry near zero may be as far off as the large ones beside it are. torch.allclose wants every entry right in
proportion to itself, to 1e-5; which correct networks are, depends on the machine.
"""

from __future__ import annotations

import torch
from torch import Tensor

ROUNDING = 1e-3
"""The most that two ways through the same sums are apart. Layers amplify what a sum is off by: networks with random
weights were 2e-6 apart on four kinds of kernels, and sines of sines (SIREN) 1e-5. Leave a hundred times that for yours.
What is no rounding, such as the statistics of a batch, moves a picture by percents.
"""
NOTHING = 1e-6
"""What is apart by less is the same, and what should have made a difference made none."""


def off(a: Tensor, b: Tensor, among: Tensor | None = None) -> float:
    """How far `a` is from `b`, in units of the largest number of `b`, or of `among`, where `b` is a part of that.

    Infinite where the shapes differ, either has numbers that are not finite, or `b` is zero and `a` is not.

    >>> off(torch.tensor([4.0, 0.5]), torch.tensor([4.0, 0.0]))
    0.125
    """
    if a.shape != b.shape:
        return torch.inf
    if not b.numel():
        return 0.0
    apart, size = (a - b).abs().max().item(), (b if among is None else among).abs().max().item()
    if apart == 0:
        return 0.0
    return apart / size if size > 0 and apart < torch.inf else torch.inf


def alike(a: Tensor, b: Tensor, among: Tensor | None = None, *, within: float = ROUNDING) -> bool:
    """Whether `off` is at most `within`: whether rounding can have made the difference.

    >>> alike(torch.tensor([1.0, 1e-7]), torch.tensor([1.0, 0.0]))
    True
    """
    return off(a, b, among) <= within
