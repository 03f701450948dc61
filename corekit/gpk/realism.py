r"""How far pictures are from photographs in what makes any picture look natural: sharpness, noise, grain.

A persona can come nearer to its photos in PSNR, in a perceptual distance and in identity while it goes soft. What tells
that are statistics of a picture's contrast, each pixel less the mean around it over the deviation around it,

    z = (y - mu) / (sigma + C)

which in a photograph of anything are much the same (Ruderman, 1994; Mittal et al., 2013, "Making a completely blind
image quality analyzer", NIQE): the deviation of z, its mean size and its third moment, both in units of that, and the
mean product of neighbours in four directions, at two scales. Blur raises the products, noise and checkerboards lower
them. Of two sets of pictures the gap is

    gap(a, b) = mean_k |mean(a_k) - mean(b_k)| / sqrt(var(a_k) + var(b_k))

over these 14 statistics k: 0 for sets that nobody can tell apart, about 1 where every statistic differs by as much as
pictures of one set differ among themselves. `docs/realism.md` has what it was chosen from and by what.

Shapes: N pictures, R image side, K statistics.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from gpk.album import resize

WINDOW = 7
"""Pixels of the side of what is around a pixel, a Gaussian of a sixth of it."""
C = 0.02
"""Of luminance in [-1, 1]: keeps flat walls, where there is no contrast to speak of, from dividing by nothing."""
SCALES = 2
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""To the right, below, and along both diagonals."""
LEAST = 0.02
"""Of a statistic's spread: pictures that are all but the same have hardly any."""
LUMINANCE = (0.299, 0.587, 0.114)
"""Of red, green and blue (ITU-R BT.601)."""


def realism(images: Tensor, photos: Tensor, masks: Tensor | None = None) -> float:
    """How natural images [N, 3, R, R] look beside photos [M, 3, R, R]: 1 / (1 + `realism_gap`), so 1 for the photos
    themselves.

    >>> photos = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    >>> realism(photos, photos)
    1.0
    """
    return 1 / (1 + realism_gap(images, photos, masks).item())


@torch.no_grad()
def realism_gap(pictures: Tensor, photos: Tensor, masks: Tensor | None = None) -> Tensor:
    """The gap, a scalar, between pictures [N, 3, R, R] in [-1, 1] and photographs [M, 3, R, R] of the same side. 0 is
    none.

    `masks` [M, 1, r, r] are 1 where a photo's pixels are its own. Sets of a dozen each, drawn from the same pictures,
    are 0.1 to 0.3 apart by chance.
    """
    a, b = natural_statistics(pictures), natural_statistics(photos, masks)
    spread = (a.var(0, correction=0) + b.var(0, correction=0)).sqrt().clamp_min(LEAST)
    return ((a.mean(0) - b.mean(0)).abs() / spread).mean()


def natural_statistics(pictures: Tensor, masks: Tensor | None = None) -> Tensor:
    """The statistics [N, K] of pictures [N, 3, R, R] in [-1, 1], of at least 2 · WINDOW pixels a side; of those pixels
    alone for which `masks` [N, 1, r, r] are 1, as are all around them.
    """
    y = (pictures.float().clamp(-1, 1) * pictures.new_tensor(LUMINANCE).view(3, 1, 1)).sum(1, keepdim=True)
    whole = torch.ones_like(y) if masks is None else resize(masks.to(y), y.shape[-1])
    found: list[Tensor] = []
    for scale in range(SCALES):
        if scale:
            y, whole = (F.avg_pool2d(each, 2) for each in (y, whole))
        z = _contrast(y)
        reach = WINDOW // 2 + 1  # of what is around a pixel's neighbour
        own = (-F.max_pool2d(-whole, 2 * reach + 1, 1, reach) > 1 - 1e-3).to(y)
        inner = F.pad(own[..., 1:-1, 1:-1], (1, 1, 1, 1))  # those that have a neighbour on every side
        deviation = _mean(z.square(), own).sqrt().clamp_min(1e-6)
        found += [deviation, _mean(z.abs(), own) / deviation, _mean(z**3, own) / deviation**3]
        found += [_mean(z * z.roll(step, (2, 3)), inner) for step in NEIGHBOURS]
    return torch.stack(found, 1)


def _contrast(y: Tensor) -> Tensor:
    """Each pixel of luminance [N, 1, h, w] less the mean around it, over the deviation around it."""
    ticks = torch.arange(WINDOW, dtype=y.dtype, device=y.device) - WINDOW // 2
    line = torch.softmax(-ticks.square() / (2 * (WINDOW / 6) ** 2), 0)

    def around(x: Tensor) -> Tensor:
        wide = F.pad(x, (WINDOW // 2,) * 4, mode="reflect")
        return F.conv2d(F.conv2d(wide, line.view(1, 1, 1, -1)), line.view(1, 1, -1, 1))

    mean = around(y)
    return (y - mean) / ((around(y.square()) - mean.square()).clamp_min(0).sqrt() + C)


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    """The mean [N] over the pixels with a weight; of all where none has any."""
    total = weights.sum((1, 2, 3))
    some = (values * weights).sum((1, 2, 3)) / total.clamp_min(1)
    return torch.where(total > 0, some, values.mean((1, 2, 3)))
