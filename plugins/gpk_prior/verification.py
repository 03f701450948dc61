"""How well a judge of identity tells twins apart: figures of unit features, as pure functions.

Shapes: F features, N pairs; K individuals, M photos each, V sets of traits.
"""

from __future__ import annotations

import torch
from torch import Tensor


def told_apart(same: Tensor, twins: Tensor, threshold: float) -> dict[str, float]:
    """How a threshold on cosines fares with hard pairs: cosines [N] of photos of one cat, and of a cat and its twin.

    `accuracy` is the mean of the two parts judged rightly; `twins_rejected` the latter alone; `best_accuracy` and
    `best_threshold` what a threshold chosen for these pairs would reach.
    """
    cosines = torch.cat([same, twins]).sort().values
    kept = 1 - torch.searchsorted(same.sort().values, cosines).double() / len(same)
    rejected = torch.searchsorted(twins.sort().values, cosines).double() / len(twins)
    best = int((kept + rejected).argmax())
    return {
        "accuracy": ((same >= threshold).double().mean() + (twins < threshold).double().mean()).item() / 2,
        "twins_rejected": (twins < threshold).double().mean().item(),
        "best_accuracy": (kept + rejected)[best].item() / 2,
        "best_threshold": cosines[best].item(),
        "cosine_same": same.mean().item(),
        "cosine_twins": twins.mean().item(),
    }


def twin_cosines(features: Tensor, bit: int, visible: Tensor) -> tuple[Tensor, Tensor]:
    """The cosines [N] of two photos of one cat, and of a photo of a cat and another photo of its twin, which differs in
    the trait of this bit.

    Unit features [K, M, V, F], the sets of traits counted in binary; only
    photos that are `visible` [K, M] are compared.
    """
    photos, sets = features.shape[1:3]
    cosine = torch.einsum("kisf,kjtf->kijst", features, features)
    pair = visible[:, :, None] & visible[:, None] & torch.ones(photos, photos, dtype=torch.bool).triu(1)
    cosine, every = cosine[pair], torch.arange(sets)
    return cosine[:, every, every].flatten(), cosine[:, every, every ^ bit].flatten()
