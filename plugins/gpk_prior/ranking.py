"""Does a distance rank distortions sensibly? Figures of distances as pure functions.

Within one kind of distortion, more should be further; across kinds, some things should cost more than others whatever
their share of the pixels. Strength and distance are compared by Spearman's rank correlation, photo by photo.

Shapes: S strengths, ascending, B photos.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from gpk.metrics import rank_correlation


def ranked(distances: Tensor) -> Tensor:
    """Spearman's correlation [B] of ascending strengths with the distances [S, B]: 1 where every step is further."""
    steps = torch.arange(len(distances), dtype=distances.dtype, device=distances.device)
    return rank_correlation(steps[:, None].expand_as(distances), distances)


def ladder(strengths: Sequence[float], distances: Tensor) -> dict[str, object]:
    """One kind of distortion: the mean distance at every strength, whether it grows from each to the next, the mean
    rank correlation, and the part of the photos whose distance grows at every step; distances [S, B].
    """
    means = distances.mean(1)
    return {
        "strengths": list(strengths),
        "distances": [round(mean, 4) for mean in means.tolist()],
        "grows": bool((means.diff() > 0).all()),
        "spearman": round(ranked(distances).mean().item(), 3),
        "photos_growing": round((distances.diff(dim=0) > 0).all(0).double().mean().item(), 3),
    }


def orders(distances: Mapping[str, Tensor], pairs: Sequence[tuple[str, str]]) -> dict[str, float]:
    """The part of the photos in which the first of each pair of names is nearer than the second, distances [B]; where
    either is NaN the photo does not count.
    """
    found = {}
    for near, far in pairs:
        both = ~(distances[near].isnan() | distances[far].isnan())
        found[f"{near} < {far}"] = round((distances[near] < distances[far])[both].double().mean().item(), 3)
    return found
