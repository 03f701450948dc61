"""The layers beneath a training's factors: that they are the base's, and what was trained of them besides.

Biases, noise strengths and the constant are trained outside of the mapping, and the decoder where it was asked for.
Everything else has to be the base's, number for number; a file in half precision is compared in it.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from corekit.checkpoint import Adopted, Stored
from corekit.errors import InputError, WeightsError
from corekit.generator import Generator, Site
from corekit.plugin import Backend
from gpk_checkpoints.aligned import owners, unwrapped
from gpk_checkpoints.assembly import SHOWN, check_tensors
from gpk_checkpoints.families import has_factors
from gpk_checkpoints.inert import shown

WHOLE = ("bias", "noise", "const")
"""Kinds of sites that are trained besides."""
MEAN = "w_avg"
"""The mean of w, which no picture of a persona needs: a training may have moved it."""


def beneath(network: Stored, backend: Backend, base: Generator, path: Path) -> tuple[Mapping[str, Tensor], list[str]]:
    """The network's tensors but for its factors, by the names of the state dict of `base`, all of them; and sentences
    on settings in which the file differs from it.

    Raises WeightsError, which names the file at `path`, for a tensor that is none of the generator's, or is not there.
    """
    wanted = base.state_dict()
    places = owners((name for name in network.tensors if not has_factors([name])), wanted)
    twice = [place for place, count in Counter(places.values()).items() if place is not None and count > 1]
    if twice:
        names = " and ".join(shown(name) for name, place in places.items() if place == twice[0])
        raise WeightsError(f"{path}: {names} are both {twice[0]}, which is one tensor")
    renamed = {place or name: network.tensors[name] for name, place in places.items()}
    modules = unwrapped(network.modules, [name for name, _ in base.named_modules()])
    took, said = _adopted(Stored(renamed, network.arguments, modules), backend, path)
    check_tensors(path, backend, base, took.tensors)
    config = getattr(base, "config", None)
    own = dataclasses.asdict(config) if dataclasses.is_dataclass(config) and not isinstance(config, type) else {}
    for name, value in took.settings.items():
        if name in own and json.dumps(value, default=str) != json.dumps(own[name], default=str):
            said.append(
                f"the file states {name} {value}, where the base has {own[name]}: a persona changes weights alone, and "
                "its pictures are made with the base's"
            )
    return took.tensors, said


def offsets(tensors: Mapping[str, Tensor], base: Generator, path: Path) -> tuple[dict[str, Tensor], list[str]]:
    """What was trained besides, as file - base by site key where they differ; and sentences on what a persona cannot
    have.

    Raises WeightsError, which names the file at `path`, where anything else differs.
    """
    state, sites = base.state_dict(), {site.key: site for site in base.sites()}
    differ = [name for name, tensor in state.items() if not torch.equal(tensor.to(tensors[name].dtype), tensors[name])]
    other = [name for name in differ if not _is_trained(sites.get(name)) and name.rpartition(".")[2] != MEAN]
    if other:
        some = ", ".join(other[:SHOWN])
        raise WeightsError(
            f"{path} was tuned from another base: {len(other)} of the tensors that stay as they were differ from these "
            f"weights ({some}{', …' if len(other) > SHOWN else ''}). Give --weights FILE with those that it was tuned "
            "from"
        )
    moved = [name for name in differ if name not in sites]
    return (
        {name: tensors[name].float() - state[name] for name in differ if name in sites},
        [f"{name} was moved, which a persona has no place for and its pictures do not need" for name in moved],
    )


def _adopted(network: Stored, backend: Backend, path: Path) -> tuple[Adopted, list[str]]:
    """What the backend makes of it; settings that it cannot take are told, for it is the base's that count."""
    if backend.adopt is None:
        return Adopted({}, network.tensors), []
    said: list[str] = []
    try:
        return backend.adopt(network), said
    except InputError as error:
        said.append(f"what the file states of its settings is left out: {error}")
    try:
        return backend.adopt(Stored(network.tensors)), said
    except InputError as error:
        raise WeightsError(f"{path} holds no generator that {backend.name} can take: {error}") from error


def _is_trained(site: Site | None) -> bool:
    if site is None or site.part == "mapping":
        return False
    return site.kind in WHOLE or site.part == "decoder"
