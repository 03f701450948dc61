r"""The personal region of latent space: the beta-dilated convex hull of the album's anchors.

    P_beta = { sum_i a_i w_i : sum_i a_i = 1, a_i >= -beta }   (Nitzan et al., 2022, arXiv 2203.17272)

beta = 0 is the convex hull; beta > 0 dilates it, trading identity for freedom. Coordinates a are unique where the
anchors are affinely independent, and otherwise the ones of least norm around the centre.

Shapes: B batch, N anchors, L latent layers, D latent width.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from gpk.errors import InputError

Edge = Literal["stop", "continue", "project"]
"""What happens at the edge of P_beta (`LatentHull.travel`)."""


class LatentHull:
    """P_beta of anchors [N, D] or [N, L, D]; raises InputError for any other shape, no anchors, or a beta below 0."""

    def __init__(self, anchors: Tensor, *, beta: float = 0.0) -> None:
        if anchors.ndim not in (2, 3) or len(anchors) == 0:
            raise InputError(f"a hull needs anchors [N, D] or [N, L, D], not {list(anchors.shape)}")
        if beta < 0:
            raise InputError(f"beta must be at least 0, not {beta}")
        self.anchors = anchors
        self.beta = beta

    def __len__(self) -> int:
        return len(self.anchors)

    def points(self, alpha: Tensor) -> Tensor:
        """w [B, D] or [B, L, D] of coordinates [B, N]."""
        return torch.tensordot(alpha, self.anchors, dims=1)

    def sample(self, n: int, rng: torch.Generator | None = None, *, corners: int = 3) -> Tensor:
        """Coordinates [n, N] of random points: `corners` anchors each, weights uniform in their part of P_beta."""
        corners = min(corners, len(self))
        order = torch.rand(n, len(self), generator=rng).argsort(1)[:, :corners]
        # normalised exponentials are uniform on the simplex
        share = -torch.log1p(-torch.rand(n, corners, generator=rng))
        share = (1 + corners * self.beta) * share / share.sum(1, keepdim=True) - self.beta
        alpha = torch.zeros(n, len(self)).scatter(1, order, share)
        return alpha.to(self.anchors.device, self.anchors.dtype)

    def coordinates(self, w: Tensor) -> Tensor:
        """Coordinates [B, N], summing to 1, of the point of the anchors' affine span nearest to w; may leave P_beta."""
        return 1 / len(self) + self.direction(w - self.anchors.mean(0))

    def direction(self, d: Tensor) -> Tensor:
        """The change of coordinates [B, N], summing to 0, that moves by d [B, D] or [B, L, D] as nearly as the anchors
        can.
        """
        centred = (self.anchors - self.anchors.mean(0)).flatten(1)
        return d.flatten(1) @ torch.linalg.pinv(_exact(centred), rtol=1e-6).to(d)

    def nearest(self, alpha: Tensor) -> Tensor:
        """The coordinates [B, N] of P_beta nearest to `alpha` [B, N]: Euclidean projection onto a simplex, by sorting
        (Duchi et al., 2008).
        """
        total = 1 + len(self) * self.beta
        lifted = alpha + self.beta
        ranked = lifted.sort(1, descending=True).values
        count = torch.arange(1, len(self) + 1, device=alpha.device, dtype=alpha.dtype)
        threshold = (ranked.cumsum(1) - total) / count
        last = (ranked > threshold).sum(1, keepdim=True) - 1
        return (lifted - threshold.gather(1, last)).clamp_min(0) - self.beta

    def project(self, w: Tensor, *, steps: int = 1000) -> Tensor:
        """Coordinates [B, N] of the point of P_beta nearest to each w [B, D] or [B, L, D], by so many `steps` of the
        accelerated projected gradient (FISTA: Beck & Teboulle, 2009).
        """
        anchors = _exact(self.anchors.flatten(1))
        gram = anchors @ anchors.mT
        pull = _exact(w.flatten(1)) @ anchors.mT
        step = 1 / torch.linalg.eigvalsh(gram)[-1].clamp_min(1e-12)
        alpha = ahead = self.nearest(_exact(self.coordinates(w)))
        pace = 1.0
        for _ in range(steps):
            before, alpha = alpha, self.nearest(ahead - step * (ahead @ gram - pull))
            pace, last_pace = (1 + (1 + 4 * pace**2) ** 0.5) / 2, pace
            ahead = alpha + (last_pace - 1) / pace * (alpha - before)
        return alpha.to(w)

    def soften(self, free: Tensor) -> Tensor:
        """Coordinates [B, N] inside P_beta from free numbers [B, N], differentiable: softplus_100(a + beta) - beta
        over its sum (MyStyle's parametrization).
        """
        alpha = self.unnormalised(free)
        return alpha / alpha.sum(1, keepdim=True)

    def unnormalised(self, free: Tensor) -> Tensor:
        """What `soften` divides by its sum."""
        return F.softplus(free + self.beta, beta=100) - self.beta

    def travel(self, alpha: Tensor, direction: Tensor, amounts: Tensor, *, edge: Edge = "stop") -> Tensor:
        """Coordinates [B, T, N] after moving from `alpha` [B, N] by each of `amounts` [T] times `direction` [B, N].

        At the edge of P_beta: "stop" there, "continue" beyond it, or "project" back onto it.
        """
        paths = alpha[:, None] + amounts[None, :, None] * direction[:, None]
        match edge:
            case "continue":
                return paths
            case "project":
                return self.nearest(paths.flatten(0, 1)).view_as(paths)
            case "stop":
                room = alpha[:, None] + self.beta  # how far each coordinate may fall
                fall = -amounts[None, :, None] * direction[:, None]
                share = torch.where(fall > 0, room / fall.clamp_min(1e-12), torch.inf).amin(2, keepdim=True).clamp(0, 1)
                return alpha[:, None] + share * amounts[None, :, None] * direction[:, None]


def _exact(x: Tensor) -> Tensor:
    """`x` in double precision on the CPU: Apple's GPU has none, and these few numbers gain nothing by a GPU."""
    return x.cpu().double()
