r"""Where a generator's w live: their mean and covariance, and coordinates in which they are round.

w = mean + v @ root, root the symmetric square root of the covariance: in v every direction has unit variance, so one
learning rate suits all of them.

Shapes: B batch, N anchors, L latent layers, D latent width.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gpk.generator import Generator

ROUND = 1e-4
"""Of the widest direction: one that varies less is noise of single precision, and nothing is to be divided by it."""


class LatentStatistics(NamedTuple):
    """`mean` [D], `root` [D, D] with root @ root the covariance, `spread` the root mean square distance from the
    mean.
    """

    mean: Tensor
    root: Tensor
    spread: Tensor

    def place(self, v: Tensor) -> Tensor:
        """w [B, ..., D] of round coordinates v [B, ..., D]."""
        return self.mean + v @ self.root

    def round(self, w: Tensor) -> Tensor:
        """Round coordinates v [B, ..., D] of w [B, ..., D]: those nearest, where no w varies in some direction."""
        inverse = torch.linalg.pinv(self.root.cpu().double(), rtol=ROUND, hermitian=True)
        return (w - self.mean) @ inverse.to(self.root)


@torch.no_grad()
def latent_statistics(generator: Generator, *, samples: int = 4096, seed: int = 0) -> LatentStatistics:
    """Statistics of `samples` mapped codes with the frontal conditioning camera (StyleGAN2, appendix D)."""
    rng = torch.Generator().manual_seed(seed)
    like = next(generator.parameters())
    z = torch.randn(samples, generator.latent.z_dim, generator=rng).to(like.device, like.dtype)
    camera = generator.frontal(samples)
    # In double precision, which Apple's GPU lacks: on the CPU, once a run.
    w = generator.mapping(z, None if camera is None else camera.to(like.device))[:, 0].cpu().double()
    mean = w.mean(0)
    centred = w - mean
    values, vectors = torch.linalg.eigh(centred.mT @ centred / samples)
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.mT
    spread = centred.square().sum(1).mean().sqrt()
    return LatentStatistics(*(statistic.to(like) for statistic in (mean, root, spread)))


def anchors_as_ws(anchors: Tensor, num_ws: int) -> Tensor:
    """Anchors [N, D] or [N, L, D] as the generator takes them, [N, num_ws, D]."""
    return anchors if anchors.ndim == 3 else anchors[:, None].expand(-1, num_ws, -1)
