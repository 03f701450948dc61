r"""How much a persona changes each weight, and what rank that change has.

My3DGen (section 5.1, Fig. 9) reads the importance of a resolution block for a subject off |dW| / |W0| x 100 %, dW the
learned change and W0 the pretrained weight. It leaves the norm open: here it is Frobenius' (the root of the sum of
squares), or the mean of absolute values.

Of a group of weights both norms are taken over all of its *matrices* (convolutions, affine and linear layers), those
that stay as they were included, each weight as the network uses it: the stored one times its gain. At a single weight
the gain cancels; in a sum it decides which weight speaks loudest. Biases, noise strengths and the constant are told by
kind, and left out of blocks and parts: many are zero before.

The singular values s of a change, read as the matrix [C1, C2 k k], give its effective rank, the exponential of the
entropy of s / sum(s) (Roy & Vetterli, 2007).

Shapes: C1 outputs, C2 inputs, k side of a kernel, r rank.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gpk.generator import Generator, Site
from gpk.lowrank import Change, LoRA
from gpk.persona import Persona

Norm = Literal["frobenius", "mean-abs"]
"""The root of the sum of squares, or the mean of absolute values."""
MATRICES = frozenset({"conv", "affine", "torgb", "linear"})
"""Kinds of sites that blocks and parts are made of."""


@dataclass(frozen=True)
class SiteChange:
    """What became of one weight of `count` numbers by `tuned` learned ones; frozen where that is 0.

    All of the weight as the network uses it: `change` and `base` are the sums that `norm` is made of, `base` None where
    W0 is not known; `energy` is the sum of the change's squares; `spectrum` are its singular values, largest first,
    where it is a matrix; `rank` is the rank of its LoRA, 0 for none.
    """

    site: Site
    norm: Norm
    count: int
    base: float | None
    tuned: int = 0
    rank: int = 0
    change: float = 0.0
    energy: float = 0.0
    spectrum: tuple[float, ...] = ()

    @property
    def effective_rank(self) -> float:
        """Of the change: 1 for one direction, the number of directions where all are as strong; 0 for none."""
        total = sum(self.spectrum)
        shares = [s / total for s in self.spectrum if s > 0]
        return math.exp(-sum(p * math.log(p) for p in shares)) if shares else 0.0


@dataclass(frozen=True)
class Importance:
    """Of a group of weights: |dW| / |W0| in per cent (None where W0 is unknown or zero), |dW| itself, the share of all
    of the persona's squared change, and how many numbers there are and were tuned.
    """

    percent: float | None
    change: float
    energy: float
    count: int
    tuned: int


def bare_sites(persona: Persona) -> tuple[Site, ...]:
    """What a persona alone tells of its sites, where its generator's family is not there: keys, and kinds by shape.

    Their part and gain are not known, so nothing but single weights can be told apart; all gains are taken as 1.
    """
    sites = []
    for key, change in persona.changes.items():
        path, _, parameter = key.rpartition(".")
        kind = {4: "conv", 2: "linear"}.get(change.delta().ndim, "bias")
        sites.append(Site(path, kind, "backbone", 0, parameter))  # pyright: ignore[reportArgumentType]
    return tuple(sites)


@torch.no_grad()
def measured(
    persona: Persona, generator: Generator | None = None, *, norm: Norm = "frobenius"
) -> tuple[SiteChange, ...]:
    """What `persona` changes at every site of `generator`, in execution order; nothing may be attached to it.

    `base` is None on the meta device, where weights have no values, and without a generator (see `bare_sites`).
    """
    if generator is None:
        pairs = [(site, persona.changes[site.key].delta().to("meta")) for site in bare_sites(persona)]
    else:
        pairs = [(site, generator.weight(site)) for site in generator.sites()]
    return tuple(_at(site, weight, persona.changes.get(site.key), norm) for site, weight in pairs)


def _at(site: Site, weight: Tensor, change: Change | None, norm: Norm) -> SiteChange:
    base = None if weight.is_meta else _sum(weight, norm, site.gain)
    if change is None:
        return SiteChange(site, norm, weight.numel(), base)
    delta = change.delta()
    return SiteChange(
        site,
        norm,
        weight.numel(),
        base,
        tuned=sum(parameter.numel() for parameter in change.parameters()),
        rank=change.rank if isinstance(change, LoRA) else 0,
        change=_sum(delta, norm, site.gain),
        energy=_sum(delta, "frobenius", site.gain),
        spectrum=tuple((site.gain * spectrum_of(change)).tolist()) if site.kind in MATRICES else (),
    )


def spectrum_of(change: Change) -> Tensor:
    """The singular values of the change of a stored matrix, largest first; of a LoRA those alone that may not be 0."""
    if isinstance(change, LoRA) and change.layout != "loralib":  # BA itself: those of two small triangles' product
        left, right = (torch.linalg.qr(factor.double().cpu(), mode="r").R for factor in (change.B, change.A.mT))
        return torch.linalg.svdvals(change.scale * left @ right.mT)
    return torch.linalg.svdvals(change.delta().double().cpu().flatten(1))


def _sum(weight: Tensor, norm: Norm, gain: float) -> float:
    used = weight.double().cpu() * gain
    return (used.square() if norm == "frobenius" else used.abs()).sum().item()


def gathered(changes: Iterable[SiteChange], key: Callable[[SiteChange], str | None]) -> dict[str, Importance]:
    """The importance of each group of `changes`, by the name that `key` gives; what it calls None is left out."""
    groups: dict[str, list[SiteChange]] = {}
    everything = 0.0
    for change in changes:
        everything += change.energy
        if (name := key(change)) is not None:
            groups.setdefault(name, []).append(change)
    return {name: _importance(group, everything) for name, group in groups.items()}


def by_block(change: SiteChange) -> str | None:
    """The name of a matrix's resolution block."""
    return change.site.block if change.site.kind in MATRICES else None


def by_part(change: SiteChange) -> str | None:
    """The name of a matrix's part of the network."""
    return change.site.part if change.site.kind in MATRICES else None


def by_kind(change: SiteChange) -> str:
    """The kind of a weight."""
    return change.site.kind


def by_site(change: SiteChange) -> str | None:
    """The key of a weight that was tuned."""
    return change.site.key if change.tuned else None


GROUPINGS: Mapping[str, Callable[[SiteChange], str | None]] = {
    "block": by_block,
    "part": by_part,
    "kind": by_kind,
    "site": by_site,
}
"""The groups that are told, from coarse to fine but for kinds."""


def _importance(group: list[SiteChange], everything: float) -> Importance:
    norm = group[0].norm
    count, tuned = sum(each.count for each in group), sum(each.tuned for each in group)
    change = _norm(sum(each.change for each in group), norm, count)
    known = [each.base for each in group if each.base is not None]
    base = _norm(sum(known), norm, count) if len(known) == len(group) else None
    energy = sum(each.energy for each in group) / everything if everything else 0.0
    return Importance(100 * change / base if base else None, change, energy, count, tuned)


def _norm(total: float, norm: Norm, count: int) -> float:
    return math.sqrt(total) if norm == "frobenius" else total / count
