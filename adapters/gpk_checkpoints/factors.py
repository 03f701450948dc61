r"""Low-rank factors beside layers as other programs store them: of which weight, in which layout, rank and scale.

For a weight [C1, C2, k, k] the shapes tell `loralib` from the others (`gpk.lowrank`). `kernel` of rank r and `flat`
of rank r k have the same shapes and the same product, but another scale, alpha / r: there the rank that the modules
state decides, then that of the layers with k = 1, where all layouts are one.

Shapes: C1 outputs, C2 inputs, k side of the kernel.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gpk.checkpoint import Stored
from gpk.errors import WeightsError
from gpk.generator import Generator, Site
from gpk.lowrank import Layout, factor_shapes
from gpk_checkpoints.aligned import owner
from gpk_checkpoints.families import FACTORS, has_factors
from gpk_checkpoints.inert import shown

LOWRANK = ("conv", "affine", "torgb")
"""Kinds of sites that have factors."""
LAYOUTS: tuple[Layout, ...] = ("kernel", "flat", "loralib")
"""The first that is possible is taken where nothing decides: My3DGen's code has `kernel`."""
ALPHAS = ("lora_alpha", "alpha")
"""What a module may call its alpha; `scaling` is alpha / r."""


@dataclass(frozen=True)
class Pair:
    """The factors `A` and `B` of the weight of `shape` at `site`, which lie at `path` in the file, and what the module
    that holds them says of itself.
    """

    path: str
    site: Site
    shape: tuple[int, ...]
    A: Tensor
    B: Tensor
    own: Mapping[str, Any]

    @property
    def kernel(self) -> int:
        """The side k of the weight's kernel."""
        return self.shape[-1] if len(self.shape) == 4 else 1

    def rank(self, layout: Layout) -> int:
        """The rank r in `layout`; 0 where they cannot be in it."""
        rank = len(self.A) // (1 if layout == "flat" else self.kernel)
        stored = (tuple(self.A.shape), tuple(self.B.shape))
        return rank if rank and stored == factor_shapes(self.shape, rank, layout) else 0

    def number(self, name: str) -> float | None:
        """The number that the module has under this name."""
        value = self.own.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool):
            return None
        return float(value) if math.isfinite(value) else None

    def alphas(self, rank: int) -> dict[str, float]:
        """Every alpha that the module states, itself or by its scaling, by the attribute's name."""
        stated = {name: value for name in ALPHAS if (value := self.number(name)) is not None}
        scaling = self.number("scaling")
        return stated if scaling is None else {**stated, "scaling": scaling * rank}


def pairs_in(network: Stored, base: Generator, where: str) -> list[Pair]:
    """The network's factors by the sites of `base`, in the file's order.

    Raises WeightsError that begins with `where` for a factor without its other, for factors of no layer that has some,
    for a layer with more than one pair, and for numbers that are not finite.
    """
    weights = {site.path: site for site in base.sites() if site.parameter == "weight"}
    paths = dict.fromkeys(name.rpartition(".")[0] for name in network.tensors if has_factors([name]))
    found: dict[str, Pair] = {}
    for path in paths:
        a, b = (network.tensors.get(f"{path}.{name}") for name in FACTORS)
        if a is None or b is None:
            lacks, has = FACTORS if a is None else FACTORS[::-1]
            raise WeightsError(f"{where}: {shown(path)} has {has} and no {lacks}: the file is not whole")
        site = weights.get(owner(path, weights) or "")
        if site is None or site.kind not in LOWRANK:
            which = "no layer of this generator" if site is None else f"{site.path}, where My3DGen's training has none"
            raise WeightsError(f"{where}: the factors at {shown(path)} belong to {which}")
        if site.key in found:
            other = shown(found[site.key].path)
            raise WeightsError(f"{where}: the factors at {shown(path)} and at {other} are both of {site.key}")
        if not (a.isfinite().all() and b.isfinite().all()):
            raise WeightsError(f"{where} has numbers that are not finite in the factors at {shown(path)}")
        shape = tuple(base.weight(site).shape)
        found[site.key] = Pair(path, site, shape, a.float(), b.float(), network.modules.get(path, {}))
    return list(found.values())


def layout_of(pairs: Sequence[Pair], where: str) -> Layout:
    """The layout of all `pairs`.

    Raises WeightsError that begins with `where` and names the factors that are in none, or in another than the rest.
    """
    possible: list[Layout] = list(LAYOUTS)
    for pair in pairs:
        fits: list[Layout] = [layout for layout in possible if pair.rank(layout)]
        if not fits:
            shapes = {layout: factor_shapes(pair.shape, 1, layout) for layout in possible}
            due = ", or ".join(f"{list(a)} and {list(b)} ({layout})" for layout, (a, b) in shapes.items())
            raise WeightsError(
                f"{where}: the factors at {shown(pair.path)} are A {list(pair.A.shape)} and B {list(pair.B.shape)}, "
                f"where those of a weight {list(pair.shape)} are, at rank 1, {due}"
            )
        possible = fits
    stated = {round(r) for pair in pairs if (r := pair.number("r")) is not None}
    plain = Counter(len(pair.A) for pair in pairs if pair.kernel == 1)
    ranks = stated if len(stated) == 1 else {rank for rank, _ in plain.most_common(1)}
    for layout in possible:
        if {pair.rank(layout) for pair in pairs if pair.kernel > 1} == ranks:
            return layout
    return possible[0]


def alpha_of(pair: Pair, rank: int, where: str) -> float | None:
    """What the module that holds the factors says of alpha; None where it says nothing.

    Raises WeightsError where it says two things, or nothing that can be, or states another rank than the factors have.
    """
    if (stated := pair.number("r")) is not None and stated != rank:
        raise WeightsError(f"{where}: {shown(pair.path)} states r {stated:g}, and its factors have rank {rank}")
    alphas = pair.alphas(rank)
    if not alphas:
        return None
    first, *others = alphas.values()
    if first <= 0 or any(not math.isclose(first, other, rel_tol=1e-6) for other in others):
        told = " and ".join(f"{name} {pair.number(name):g}" for name in alphas)
        raise WeightsError(
            f"{where}: {shown(pair.path)} states {told} at rank {rank}, which cannot be: give --alpha with that of the "
            "training"
        )
    return first
