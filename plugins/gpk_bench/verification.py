"""How well a judge of identity verifies: figures of unit features, as pure functions.

Shapes: B photos, F features, P pairs of one individual's photos, N pairs of two.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Pairs(NamedTuple):
    """Cosines of pairs of photos, in ascending order: of one individual [P], and of two [N]."""

    alike: Tensor
    other: Tensor

    def accepted(self, falsely: float) -> float:
        """The share of pairs of one individual whose cosine is above all but this share of those of two."""
        least = self.other[len(self.other) - 1 - int(falsely * len(self.other))]
        return (self.alike > least).double().mean().item()


def pairs(features: Tensor, who: Tensor) -> Pairs:
    """All pairs of photos with unit features [B, F], whose individuals are `who` [B]."""
    cosine, same = features @ features.T, who[:, None] == who
    upper = torch.ones_like(same).triu(1)
    return Pairs(cosine[upper & same].sort().values, cosine[upper & ~same].sort().values)


def verification(features: Tensor, who: Tensor) -> dict[str, float]:
    """How well cosines of unit features [B, F] tell pairs of one individual from pairs of two.

    `auc` over all pairs; `threshold`, where both kinds of error are equally frequent (where there is no error at all,
    the least cosine of one individual), and the `accuracy` there; `rank1`, the part of the photos whose nearest other
    photo shows the same individual; the mean cosines of both kinds of pairs, and the greatest of two individuals.
    """
    alike, other = pairs(features, who)
    below = torch.searchsorted(other, alike).double() / len(other)
    rejected = torch.arange(len(alike), dtype=torch.double) / len(alike)  # of the same, if the threshold is alike[i]
    at = int((rejected - (1 - below)).abs().argmin())
    nearest = (features @ features.T).fill_diagonal_(-2).argmax(1)
    return {
        "auc": below.mean().item(),
        "accuracy": (1 - (rejected[at] + 1 - below[at]) / 2).item(),
        "threshold": alike[at].item(),
        "rank1": (who[nearest] == who).float().mean().item(),
        "cosine_same": alike.mean().item(),
        "cosine_other": other.mean().item(),
        "greatest_other": other[-1].item(),
    }
