r"""Two crowds of pictures, compared by what a network sees in them.

How far apart are they as distributions? With means m and covariances C of their features,

    d^2 = |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a^1/2 C_b C_a^1/2)^1/2)

the Frechet distance of two Gaussians (Dowson and Landau, 1982; as FID in Heusel et al., 2017, arXiv 1706.08500). Its
unit is that of the network's features, so a number means something only beside others of the same network and of as
many pictures: between two halves of the truth, and from the truth to its blurred self.

Shapes: N and M pictures of the two crowds, F features.
"""

from __future__ import annotations

import torch
from torch import Tensor


def frechet(a: Tensor, b: Tensor) -> float:
    """The squared Frechet distance of features [N, F] and [M, F]; 0 for equal ones."""
    (mean_a, cov_a), (mean_b, cov_b) = _gaussian(a), _gaussian(b)
    root = _root(cov_a)
    # The trace of a root is the sum of the roots of the eigenvalues; rounding may leave the least below zero.
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp_min(0).sqrt().sum()
    squared = (mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross
    return squared.clamp_min(0).item()


def mean_cosine(features: Tensor) -> float:
    """The mean product of all pairs of unit features [N, F]: 1 where all are one, about 0 where none is like
    another.
    """
    count = len(features)
    total = features.double().sum(0).square().sum().item()
    return (total - count) / (count * (count - 1))


def nearest(features: Tensor, references: Tensor) -> Tensor:
    """The greatest cosine [N] of unit features [N, F] to any of the references [M, F]."""
    return torch.cat([(part @ references.mT).amax(1) for part in features.split(256)])


def _gaussian(features: Tensor) -> tuple[Tensor, Tensor]:
    features = features.double()
    mean = features.mean(0)
    centred = features - mean
    return mean, centred.mT @ centred / (len(features) - 1)


def _root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.mT
