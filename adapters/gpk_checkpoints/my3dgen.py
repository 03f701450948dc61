"""What My3DGen's training leaves, read as the persona that it is.

A snapshot is like EG3D's, a dict with G and G_ema, here one object. Around every convolution, affine and ToRGB of the
synthesis and of super-resolution is a module with `lora_A` and `lora_B`, and inside it the layer as it was. An affine's
factors stand outside of the equalised learning rate's gain: in the stored weight their change is alpha / (r gain) BA,
r the rank.

Written from a description; no such file was at hand.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from gpk.checkpoint import Stored
from gpk.errors import WeightsError
from gpk.generator import Generator
from gpk.lowrank import Change, Layout, LoRA, Offset
from gpk.plugin import Backend
from gpk.recipe import Recipe, Treatment
from gpk_checkpoints.beneath import WHOLE, beneath, offsets
from gpk_checkpoints.factors import LOWRANK, Pair, alpha_of, layout_of, pairs_in
from gpk_checkpoints.families import FACTORS, has_factors
from gpk_checkpoints.foreign import KEY, Place, contents, read_checkpoint, stored
from gpk_checkpoints.inert import shown
from gpk_checkpoints.sniffed import own_kind


@dataclass(frozen=True)
class Snapshot:
    """The network with factors in the file at `path`."""

    path: Path
    network: Stored


@dataclass(frozen=True)
class Learned:
    """What a persona has of it; `notes` are sentences for whoever imports it."""

    changes: Mapping[str, Change]
    recipe: Recipe
    notes: tuple[str, ...]


def read_snapshot(path: Path) -> Snapshot:
    """The network with factors in the file at `path`, a FILE::KEY perhaps; the average where there are several.

    Raises WeightsError where there is none, or it is not said which.
    """
    read = read_checkpoint(path)
    if (what := own_kind(read.facts)) is not None:
        raise WeightsError(f"{read.path} is {what}")
    found = [network for network in read.networks if has_factors(network.tensors)]
    found = [network for network in found if not read.key or network.key == read.key]
    if not found:
        where = f" at {shown(read.key)!r}" if read.key else ""
        raise WeightsError(
            f"{read.path} is no snapshot of My3DGen: it has no {' and '.join(FACTORS)}{where}. It holds "
            f"{contents(read)}"
        )
    chosen = [network for network in found if "ema" in network.key.lower()] or found
    if len(chosen) > 1:
        keys = " or ".join(f"{read.path}{KEY}{shown(network.key)}" for network in chosen)
        raise WeightsError(f"{read.path} holds {len(chosen)} networks with factors: say which, {keys}")
    return Snapshot(read.path, stored(read, Place(chosen[0])))


def learned_by(snapshot: Snapshot, backend: Backend, base: Generator, *, alpha: float | None = None) -> Learned:
    """What the snapshot changes of `base`, a generator of `backend` with the weights that it was tuned from.

    `alpha` comes before what the file states, and is needed where it states none. Raises WeightsError that names the
    tensor where one is in no place of the generator, or the base is another one, and RecipeError for an alpha that
    cannot be.
    """
    path = snapshot.path
    pairs = pairs_in(snapshot.network, base, str(path))
    layout = layout_of(pairs, str(path))
    ranks = {pair.site.key: pair.rank(layout) for pair in pairs}
    alphas, told = _alphas(pairs, ranks, alpha, str(path))
    tensors, said = beneath(snapshot.network, backend, base, path)
    besides, moved = offsets(tensors, base, path)
    recipe = _recipe(base, layout, ranks, alphas, besides)
    by_key = {pair.site.key: pair for pair in pairs}
    changes: dict[str, Change] = {}
    for site in base.sites():
        if site.key in by_key:
            scale = alphas[site.key] / ranks[site.key] / (site.gain if site.kind in recipe.divide_gain else 1)
            changes[site.key] = _lora(by_key[site.key], layout, ranks[site.key], scale)
        elif site.key in besides:
            changes[site.key] = offset = Offset(tuple(besides[site.key].shape))
            offset.load_state_dict({"D": besides[site.key]})
    return Learned(changes, recipe, (*told, *moved, *said))


def _alphas(
    pairs: Sequence[Pair], ranks: Mapping[str, int], given: float | None, where: str
) -> tuple[dict[str, float], list[str]]:
    """Alpha by site key, and what to say where the file states another than the one that is given."""
    if given is not None:
        stated = {alpha for pair in pairs for alpha in pair.alphas(ranks[pair.site.key]).values()}
        others = sorted(alpha for alpha in stated if not math.isclose(alpha, given, rel_tol=1e-6))
        told = f"the file states alpha {' and '.join(f'{alpha:g}' for alpha in others)}, and {given:g} is taken"
        return dict.fromkeys(ranks, given), [told] if others else []
    alphas: dict[str, float] = {}
    for pair in pairs:
        alpha = alpha_of(pair, ranks[pair.site.key], where)
        if alpha is None:
            raise WeightsError(
                f"{where} does not tell alpha, by which its factors are scaled (alpha / rank): give --alpha with that "
                "of the training. Where nothing was said My3DGen's code has 16; the command in its README says 1"
            )
        alphas[pair.site.key] = alpha
    return alphas, []


def _recipe(
    base: Generator,
    layout: Layout,
    ranks: Mapping[str, int],
    alphas: Mapping[str, float],
    besides: Collection[str],
) -> Recipe:
    """The recipe that tells of these changes; each site's own rank and scale are stored beside it."""
    rank = Counter(ranks.values()).most_common(1)[0][0]
    parts: dict[str, Treatment] = {site.part: "frozen" for site in base.sites()}
    for site in base.sites():
        if site.key in ranks or site.key in besides:
            parts[site.part] = "whole" if site.part == "decoder" else "adapt"
    blocks: dict[str, int] = {}
    for site in base.sites():
        if site.kind in LOWRANK and parts[site.part] == "adapt":
            blocks[site.block] = max(blocks.get(site.block, 0), ranks.get(site.key, 0))
    return Recipe(
        rank=rank,
        alpha=Counter(alphas.values()).most_common(1)[0][0],
        layout=layout,
        lowrank=frozenset(LOWRANK),
        whole=frozenset(WHOLE),
        divide_gain=frozenset({"affine"}),
        parts=parts,
        rank_pattern={block: own for block, own in blocks.items() if own != rank},
    )


def _lora(pair: Pair, layout: Layout, rank: int, scale: float) -> LoRA:
    change = LoRA(pair.shape, rank=rank, scale=scale, layout=layout, rng=torch.Generator())
    change.load_state_dict({"A": pair.A, "B": pair.B})
    return change
