r"""Directions of latent space along which one attribute changes: learned from labelled codes, and walked in the hull.

As InterFaceGAN has it (Shen et al., 2020, arXiv 1907.10786), an attribute has a hyperplane in W, and the direction is
its normal n, of unit length. Between the codes of the highest and the lowest scores lies the plane of a linear support
vector machine: of x, the codes around their mean in units of their spread, and y = +-1 it minimises

    |v|^2 / 2 + C mean of max(0, 1 - y (v x + b))^2,    n = v / |v|

with both sides weighing the same. On the other attributes' directions N it is conditioned by leaving out what it shares
with them: n - N N^+ n (their section 3.2).

An amount of 1 is one standard deviation of the generator's codes along the direction, whatever its attribute. In the
hull the step d becomes the change gamma of coordinates that is nearest to it (MyStyle, arXiv 2203.17272, section 4.3):
alpha + theta gamma.

Shapes: N codes, K attributes, M anchors, T amounts, B codes to be edited, L latent layers, D latent width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from gpk.errors import InputError
from gpk.generator import Generator
from gpk.hull import Edge, LatentHull
from gpk.latents import LatentStatistics
from gpk.made_for import require_weights
from gpk.seeding import seeded

HELD_OUT = 0.3
"""The share of the chosen codes on which a plane is tried: InterFaceGAN's split (section 4.1)."""
LEAST = 8
"""Codes that each side needs."""


@dataclass(frozen=True)
class Direction:
    """A direction d [1, D], or one for every layer [L, D], of any length; of which `attribute`, and of which generator,
    by its `fingerprint` in `base`, empty where nobody says. `facts`, in JSON types, tell how it was learned.
    """

    d: Tensor
    attribute: str = ""
    base: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def check_direction(direction: Direction, generator: Generator, *, what: str = "the direction") -> None:
    """Raises InputError where the direction is of another generator, or of another shape than its codes; the message
    begins with `what` and names both sides.
    """
    latent, (layers, width) = generator.latent, direction.d.shape
    if width != latent.w_dim or layers not in (1, latent.num_ws):
        raise InputError(
            f"{what} is {[layers, width]}, and this generator's codes are {[latent.num_ws, latent.w_dim]}: a "
            "direction belongs to the checkpoint that it was learned with"
        )
    if direction.base:
        require_weights(direction.base, generator, what=what, advice="learn it with these", error=InputError)


class Plane(NamedTuple):
    """Where codes with an attribute part from those without it: the unit normal [D], towards those with it, learned
    from `learned` codes, and its `accuracy` from 0 to 1 on `tried` others, both sides weighing the same.
    """

    normal: Tensor
    accuracy: float
    learned: int
    tried: int


def learn_direction(
    codes: Tensor, scores: Tensor, *, share: float = 0.1, penalty: float = 1.0, steps: int = 200, seed: int = 0
) -> Plane:
    """The plane between the codes [N, D] of the highest and of the lowest `scores` [N], `share` of them on each side.

    Scores that are NaN are nobody's label and left out; where there are but two different ones, every code counts.
    `penalty` is C, `steps` are L-BFGS's at most, and `seed` draws the codes that are held out. Raises InputError where
    the scores do not make two sides of enough codes.
    """
    low, high = sides(scores, share)
    told, tried = [], []
    for label, rows in ((-1.0, low), (1.0, high)):
        order = rows[torch.randperm(len(rows), generator=seeded(seed, "direction", label))]
        cut = max(1, round(HELD_OUT * len(order)))
        tried.append((order[:cut], label))
        told.append((order[cut:], label))
    x, y, weight = _examples(codes, told)
    mean = (x * weight[:, None]).sum(0)
    spread = (x - mean).square().sum(1).mean().sqrt().clamp_min(1e-12)
    v = _separate((x - mean) / spread, y, weight, penalty, steps)
    normal = F.normalize(v[:-1], dim=0)
    fresh, wanted, weight = _examples(codes, tried)
    right = (((fresh - mean) / spread) @ v[:-1] + v[-1]).sign() == wanted
    return Plane(normal.to(codes), (right * weight).sum().item(), len(x), len(fresh))


def sides(scores: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """The rows of the lowest and of the highest scores [N], `share` of those that are not NaN on each side; raises
    InputError where there are too few of them, or too many are equal.
    """
    rows = (~scores.isnan()).nonzero()[:, 0].cpu()
    known = scores.cpu()[rows]
    order = known.argsort(stable=True)
    values = known.unique()
    count = len(rows) if len(values) == 2 else round(share * len(rows))
    low, high = order[:count], order[max(0, len(order) - count) :]
    if len(values) == 2:
        low, high = (known == values[0]).nonzero()[:, 0], (known == values[1]).nonzero()[:, 0]
    elif count and known[low[-1]] >= known[high[0]]:
        raise InputError(
            f"the scores of {len(rows)} codes do not part them: as many as {share:.0%} on each side are alike; "
            "take a smaller share, or another attribute"
        )
    if min(len(low), len(high)) < LEAST:
        raise InputError(
            f"of {len(rows)} labelled codes {len(high)} are on one side and {len(low)} on the other, and {LEAST} are "
            "needed on each: label more, draw more samples, or take a larger share"
        )
    return rows[low], rows[high]


def apart_from(normal: Tensor, others: Tensor) -> Tensor:
    """The unit direction [D] nearest to `normal` [D] along which nothing changes for the planes of `others` [K, D].

    Raises InputError where they leave nothing of it.
    """
    basis = torch.linalg.qr(others.double().mT).Q
    own = normal.double()
    rest = own - basis @ (basis.mT @ own)
    if rest.norm() < 1e-3 * own.norm():
        raise InputError("nothing is left of the direction without the others: they are the same; name fewer")
    return F.normalize(rest, dim=0).to(normal)


def deviation(d: Tensor, statistics: LatentStatistics) -> float:
    """The standard deviation of the generator's codes along d [1, D] or [L, D], in units of w: along the layer's of
    the greatest length.
    """
    longest = d[d.norm(dim=1).argmax()].to(statistics.root)
    return (statistics.root @ (longest / longest.norm())).norm().item()


def one_step(d: Tensor, statistics: LatentStatistics) -> Tensor:
    """The change of w, [1, D] or [L, D], that is an amount of 1: the layer of the greatest length moves by one
    standard deviation, the others in proportion.
    """
    return d.to(statistics.root) * (deviation(d, statistics) / d.norm(dim=1).amax().item())


def edited_codes(
    hull: LatentHull, alpha: Tensor, step: Tensor, amounts: Tensor, *, edge: Edge = "stop", w: Tensor | None = None
) -> Tensor:
    """Codes [B, T, L, D] after moving in the hull of anchors [M, L, D] from the coordinates `alpha` [B, M] by each of
    `amounts` [T] times the step [1, D] or [L, D], as nearly as the anchors can.

    What the codes `w` [B, L, D] have beyond their coordinates they keep, so that an amount of 0 gives them back. At the
    edge of P_beta, "project" means the point that is nearest in w, so that a larger amount never moves less far along
    the step; nearest coordinates (`LatentHull.travel`) may.
    """
    start = hull.points(alpha)
    whole = step.to(hull.anchors).expand(hull.anchors.shape[1], -1)
    if edge == "project":
        wanted = start[:, None] + amounts.to(start)[None, :, None, None] * whole
        paths = hull.project(wanted.flatten(0, 1)).unflatten(0, wanted.shape[:2])
    else:
        gamma = hull.direction(whole[None]).expand(len(alpha), -1)
        paths = hull.travel(alpha, gamma, amounts.to(alpha), edge=edge)
    moved = hull.points(paths.flatten(0, 1)).unflatten(0, paths.shape[:2]) - start[:, None]
    return (start if w is None else w)[:, None] + moved


def held_by(hull: LatentHull, step: Tensor) -> float:
    """How much of the step [1, D] or [L, D] the anchors [M, L, D] can go along: the cosine between it and what becomes
    of it in the hull; 1 for all.
    """
    whole = step.to(hull.anchors).expand(hull.anchors.shape[1], -1)[None]
    near = hull.points(hull.direction(whole))
    return (near.norm() / whole.norm()).item()


def moved_along(codes: Tensor, start: Tensor, step: Tensor) -> Tensor:
    """How far codes [B, T, L, D] are from `start` [B, L, D] along the step [1, D] or [L, D], in amounts [B, T]."""
    whole = step.to(codes).expand(codes.shape[2], -1)
    return ((codes - start[:, None]) * whole).sum((2, 3)) / whole.square().sum()


def _examples(codes: Tensor, parts: list[tuple[Tensor, float]]) -> tuple[Tensor, Tensor, Tensor]:
    """Codes [n, D] in double precision, labels +-1 [n], and weights [n] that sum to a half on each side."""
    x = torch.cat([codes.detach().cpu()[rows] for rows, _ in parts]).double()
    y = torch.cat([torch.full((len(rows),), label) for rows, label in parts]).double()
    weight = torch.cat([torch.full((len(rows),), 0.5 / len(rows)) for rows, _ in parts]).double()
    return x, y, weight


def _separate(x: Tensor, y: Tensor, weight: Tensor, penalty: float, steps: int) -> Tensor:
    """v and, last, b [D + 1] of the machine, by L-BFGS: the loss is convex and smooth."""
    v = x.new_zeros(x.shape[1] + 1).requires_grad_()
    optimizer = torch.optim.LBFGS([v], max_iter=steps, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        missed = F.relu(1 - y * (x @ v[:-1] + v[-1])).square()
        value = v[:-1].square().sum() / 2 + penalty * (weight * missed).sum()
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(loss)
    return v.detach()
