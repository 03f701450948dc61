"""One convolution's backward pass, weight tuned whole, by factors, or frozen: seconds, the best of four.

Run it without arguments: it prints a table in Markdown.
"""

from __future__ import annotations

import time

import torch
from torch import Tensor

from gpk.convolution import Factors, convolved

SIZES = ((512, 64), (256, 256), (128, 512))
"""Channels and side: the widest layers of EG3D-FFHQ."""
ROWS = (1, 3, 12)
"""Rows of A: flat or kernel rank 1, kernel rank 4."""


def main() -> None:
    """Prints a table in Markdown."""
    print(f"| channels, side | whole | {' | '.join(f'{rows} rows' for rows in ROWS)} | frozen |")
    print("|---" * (len(ROWS) + 3) + "|")
    for channels, side in SIZES:
        x = torch.randn(1, channels, side, side, requires_grad=True)
        weight = torch.randn(channels, channels, 3, 3)
        figures = [seconds(x, weight.clone().requires_grad_())]
        for rows in ROWS:
            b, a = torch.randn(channels, rows), torch.randn(rows, channels, 3, 3)
            figures.append(seconds(x, weight, Factors(b.requires_grad_(), a.requires_grad_())))
        figures.append(seconds(x, weight))
        print(f"| {channels}, {side} | {' | '.join(f'{figure:.3f}' for figure in figures)} |")


def seconds(x: Tensor, weight: Tensor, factors: Factors | None = None) -> float:
    """Of the backward pass alone."""
    best = float("inf")
    for _ in range(4):
        y = convolved(x, weight, factors)
        upstream = torch.ones_like(y)
        begin = time.perf_counter()
        y.backward(upstream)
        best = min(best, time.perf_counter() - begin)
    return best


if __name__ == "__main__":
    main()
