r"""Sampling along rays and compositing: the quadrature of volume rendering, with importance sampling.

Between neighbouring samples the density is sigma = softplus((s_i + s_i+1)/2 - 1), the opacity
alpha = 1 - exp(-sigma delta), the transmittance T the product of 1 - alpha before, and the weight T alpha goes to the
interval's midpoint (Max, 1995; Mildenhall et al., 2020, arXiv 2003.08934; softplus(x - 1) from Barron et al., 2021,
arXiv 2103.13415). A second set of samples is drawn from the weights of the first.

A midpoint value is the mean of two samples, so a sum over intervals is a sum over samples whose weight is the mean of
the two intervals beside it. `march` returns those, and no colour need be averaged or sorted.

Shapes: B batch, R rays, S samples along a ray, N coarse and M fine ones.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def stratified(
    batch: int, rays: int, n: int, *, start: float, end: float, like: Tensor, rng: torch.Generator | None
) -> Tensor:
    """Depths [B, R, N] in world units from start to end, each moved by a jitter in [0, 1) of a step; 0.5 everywhere
    without `rng`. Type and device are those of `like`.
    """
    step = (end - start) / (n - 1)
    depths = torch.linspace(start, end, n, device=like.device, dtype=like.dtype)
    if rng is None:
        return (depths + 0.5 * step).expand(batch, rays, n)
    return depths + step * _uniform((batch, rays, n), like, rng)


def activated(densities: Tensor, *, gain: float = 1.0, offset: float = 0.0) -> Tensor:
    """Density per world unit, above 0, for a raw one s of any shape: softplus(gain s + offset - 1)."""
    return F.softplus(densities * gain + (offset - 1))


def march(
    depths: Tensor, densities: Tensor, *, gain: float = 1.0, offset: float = 0.0, opaque_far: bool = False
) -> tuple[Tensor, Tensor]:
    """Weights of the intervals [B, R, S-1] and of the samples [B, R, S], for sorted depths and raw densities [B, R, S].

    With `opaque_far` the last interval lets nothing through; `gain` and `offset` are `activated`'s.
    """
    middle = (densities[..., 1:] + densities[..., :-1]) / 2
    thickness = activated(middle, gain=gain, offset=offset) * depths.diff(dim=-1)
    alpha = -torch.expm1(-thickness)  # 1 - exp(-thickness) has no digits left where a ray meets next to nothing
    if opaque_far:
        alpha = torch.cat([alpha[..., :-1], torch.ones_like(alpha[..., -1:])], -1)
    # prod(1 - alpha) = exp(-sum(thickness)); shifted by one, for light reaches an interval through those before it.
    transmittance = torch.exp(-F.pad(thickness.cumsum(-1)[..., :-1], (1, 0)))
    weights = alpha * transmittance
    return weights, (F.pad(weights, (1, 0)) + F.pad(weights, (0, 1))) / 2


@torch.no_grad()
def importance(depths: Tensor, weights: Tensor, m: int, *, rng: torch.Generator | None) -> Tensor:
    """M depths [B, R, M] by inverse transform from interval weights [B, R, N-1] at coarse depths [B, R, N].

    The weights are blurred by a maximum and then a mean of two, raised by 0.01, and lose both ends. The cumulative
    sum's entry j goes with midpoint j, so the last midpoint is never reached: the published weights were trained so.
    Without `rng` every ray uses u = (i + 0.5) / M.
    """
    upper = torch.maximum(F.pad(weights, (1, 0)), F.pad(weights, (0, 1)))
    blurred = (upper[..., 1:] + upper[..., :-1]) / 2 + 0.01
    mass = blurred[..., 1:-1] + 1e-5
    cdf = F.pad((mass / mass.sum(-1, keepdim=True)).cumsum(-1), (1, 0))
    bins = (depths[..., 1:] + depths[..., :-1]) / 2
    if rng is None:
        ladder = (torch.arange(m, device=depths.device, dtype=depths.dtype) + 0.5) / m
        u = ladder + torch.zeros_like(cdf[..., :1])  # contiguous, under vmap too
    else:
        u = _uniform((*depths.shape[:-1], m), depths, rng)
    above = torch.searchsorted(cdf, u, right=True)
    below = (above - 1).clamp(min=0)
    above = above.clamp(max=cdf.shape[-1] - 1)
    low, span = cdf.gather(-1, below), cdf.gather(-1, above) - cdf.gather(-1, below)
    span = torch.where(span < 1e-5, torch.ones_like(span), span)
    left = bins.gather(-1, below)
    return left + (u - low) / span * (bins.gather(-1, above) - left)


def merged(coarse: Tensor, fine: Tensor) -> tuple[Tensor, Tensor]:
    """Sorted depths [B, R, N+M] and, for each, its place in the concatenation."""
    return torch.cat([coarse, fine], -1).sort(-1)


def expected_depth(depths: Tensor, weights: Tensor) -> Tensor:
    """Mean depth [B, R] by sample weights [B, R, S]; the greatest sampled depth where nothing was met."""
    total = weights.sum(-1)
    met = total > 0
    mean = (weights * depths).sum(-1) / torch.where(met, total, torch.ones_like(total))
    nearest, farthest = depths.amin((1, 2), keepdim=True)[..., 0], depths.amax((1, 2), keepdim=True)[..., 0]
    return torch.where(met, mean, farthest).clamp(nearest, farthest)


def _uniform(shape: tuple[int, ...], like: Tensor, rng: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=rng, device=rng.device, dtype=like.dtype).to(like.device)
