r"""Figures of merit as pure functions. Images are [B, 3, R, R] in [-1, 1].

Shapes: B batch, N references or pairs, R image side, F features.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from gpk.judges import Distance, FeatureDistance
from gpk.seeding import parts

AT_ONCE = 8
"""Pictures that a distance looks at together."""
PAIRS = 32
"""Pairs of pictures that are compared together."""


def psnr(image: Tensor, truth: Tensor, mask: Tensor | None = None) -> Tensor:
    """Peak signal-to-noise ratio in dB [B], images clamped to [-1, 1]; inside `mask` [B, 1, R, R] where given.

    At most 106 dB: a mean square below 1e-10 counts as that.
    """
    squares = (image.clamp(-1, 1) - truth.clamp(-1, 1)).square()
    if mask is None:
        mean = squares.mean((1, 2, 3))
    else:
        mean = (squares * mask).sum((1, 2, 3)) / (3 * mask.sum((1, 2, 3))).clamp_min(1e-8)
    return 10 * torch.log10(4 / mean.clamp_min(1e-10))


def ssim(image: Tensor, truth: Tensor, mask: Tensor | None = None) -> Tensor:
    """Structural similarity [B] with an 11-pixel Gaussian window of sigma 1.5 (Wang et al., 2004); where `mask`
    [B, 1, R, R] is given, of the windows that lie in it whole, and NaN where none does.
    """
    ticks = torch.arange(11, device=image.device, dtype=image.dtype) - 5
    window = torch.exp(-ticks.square() / (2 * 1.5**2))
    window = window / window.sum()

    def blur(x: Tensor) -> Tensor:
        kernel = window.expand(3, 1, 1, 11)
        return F.conv2d(F.conv2d(x, kernel, groups=3), kernel.mT, groups=3)

    x, y = (image.clamp(-1, 1) + 1) / 2, (truth.clamp(-1, 1) + 1) / 2
    mean_x, mean_y = blur(x), blur(y)
    var_x, var_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
    cov = blur(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    score = (2 * mean_x * mean_y + c1) * (2 * cov + c2) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    if mask is None:
        return score.mean((1, 2, 3))
    whole = (-F.max_pool2d(-mask, 11, stride=1) > 1 - 1e-3).to(score)
    return (score.mean(1, keepdim=True) * whole).sum((1, 2, 3)) / whole.sum((1, 2, 3))


def identity_similarity(features: Tensor, references: Tensor) -> Tensor:
    """ID_sim [B] of unit features [B, F]: the cosine to the nearest of the references [N, F] (Eq. 2 of My3DGen)."""
    return (features @ references.mT).amax(1)


def rank_correlation(a: Tensor, b: Tensor) -> Tensor:
    """Spearman's correlation [B] over the N pairs of a [N, B] and b [N, B].

    It is 1 where the greater one always goes with the greater. Equal values share the mean of their ranks; where all
    are equal it is 0.

    >>> rank_correlation(torch.tensor([[0.0], [1.0], [2.0], [3.0]]), torch.tensor([[1.0], [2.0], [4.0], [3.0]])).item()
    0.800000011920929
    """
    first, second = (_ranks(values) for values in (a, b))
    return (first * second).sum(0) / (first.norm(dim=0) * second.norm(dim=0)).clamp_min(1e-12)


def _ranks(values: Tensor) -> Tensor:
    """The ranks of values [N, B] along the first dimension, less their mean."""
    ranks = (values[:, None] > values).to(values).sum(1) + (values[:, None] == values).sum(1) / 2
    return ranks - ranks.mean(0)


def diversity(images: Tensor, references: Tensor, distance: Distance) -> Tensor:
    """Intra-cluster diversity, a scalar, of images [B, 3, R, R] around references [N, 3, R, R] (Ojha et al., 2021, as
    My3DGen's synthesis protocol uses it).

    Every image goes to its nearest reference; the standard deviation of pairwise distances within each cluster of at
    least three is averaged over the clusters. NaN where no cluster is that large.
    """
    seen, known = _seen(images, distance), _seen(references, distance)
    everyone = torch.arange(len(images))
    each = (torch.full_like(everyone, index) for index in range(len(references)))
    cluster = torch.stack([_apart(seen, everyone, known, one, distance) for one in each], dim=1).argmin(1).cpu()
    spreads = []
    for index in cluster.unique():
        members = everyone[cluster == index]
        if len(members) >= 3:
            i, j = torch.triu_indices(len(members), len(members), 1)
            spreads.append(_apart(seen, members[i], seen, members[j], distance).std())
    return torch.stack(spreads).mean() if spreads else images.new_tensor(float("nan"))


def _seen(images: Tensor, distance: Distance) -> Sequence[Tensor]:
    """What a distance compares: the images, or what it sees in them, once."""
    if not isinstance(distance, FeatureDistance):
        return [images]
    few = [distance.features(images[rows]) for rows in parts(len(images), AT_ONCE)]
    return [torch.cat(level) for level in zip(*few, strict=True)]


def _apart(a: Sequence[Tensor], i: Tensor, b: Sequence[Tensor], j: Tensor, distance: Distance) -> Tensor:
    """The distances [B] of images i [B] of what was seen in `a` to images j [B] of `b`."""
    found = []
    for rows in parts(len(i), PAIRS):  # a cluster of five hundred pictures has more than a hundred thousand pairs
        pair = [level[i[rows]] for level in a], [level[j[rows]] for level in b]
        found.append(
            distance.between(*pair) if isinstance(distance, FeatureDistance) else distance(pair[0][0], pair[1][0])
        )
    return torch.cat(found)
