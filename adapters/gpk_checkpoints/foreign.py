"""Checkpoints as others write them: official pickles, .pt files, safetensors with any names; all read as data alone.

An official pickle is {"G", "D", "G_ema", ...}, or one of these networks: a tree of modules, each with its parameters,
buffers and constructor arguments. A .pt is a state dict, or a rosinality checkpoint {"g_ema", "latent_avg", ...}. The
file's contents say which it is, not its name.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from corekit.errors import WeightsError
from gpk_checkpoints.download import file_sha256
from gpk_checkpoints.files import container, read_safetensors
from gpk_checkpoints.inert import read_pickle, shown
from gpk_checkpoints.pickled import Record, Strided
from gpk_checkpoints.storages import Storages, torch_data

Layout = Literal["official", "rosinality", "safetensors"]
DEPTH = 32
"""Modules, or lists of an argument, inside each other."""
MOST = 100_000
"""Modules, or values of the arguments, in one file. Real files have hundreds."""
SIZES = ("size", "latent", "n_mlp", "channel_multiplier")
"""The command-line arguments in a .pt that describe the network; others may hold paths."""


@dataclass(frozen=True)
class Checkpoint:
    """A generator as a file holds it.

    `member` is where in the file it was: "G_ema", or "G" and "g" where there is no average, or "" for the whole;
    `family` the name of its class where the file tells; `arguments` those of its constructor, in JSON's types;
    `tensors` its state dict by the file's own names; `facts` what gpk itself wrote into a safetensors file.
    """

    layout: Layout
    member: str
    family: str
    arguments: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    sha256: str
    facts: Mapping[str, Any] = field(default_factory=dict)


def read_checkpoint(path: Path) -> Checkpoint:
    """The generator in the file at `path`; nothing that the file names is imported or run.

    Raises WeightsError that names the file, and the tensor where there is one.
    """
    found = container(path)
    if found == "pickle":
        return _official(path)
    if found == "torch":
        return _torch(path)
    tensors, metadata = read_safetensors(path)
    return Checkpoint("safetensors", "", "", {}, tensors, file_sha256(path), own_facts(path, metadata))


def own_facts(path: Path, metadata: Mapping[str, str]) -> Mapping[str, Any]:
    """What gpk wrote into a file's metadata, empty where it did not; raises WeightsError where that is damaged."""
    try:
        facts = json.loads(metadata.get("gpk", "{}"))
    except (json.JSONDecodeError, RecursionError) as error:
        raise WeightsError(f"{path}: its gpk metadata is no JSON object: {error}") from error
    if not isinstance(facts, dict):
        raise WeightsError(f"{path}: its gpk metadata is no JSON object: {type(facts).__name__}")
    return facts


def _official(path: Path) -> Checkpoint:
    try:
        with path.open("rb") as file:
            data = read_pickle(file, path.stat().st_size, str(path))
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror}") from error
    member = ""
    if isinstance(data, dict):
        member = next((name for name in ("G_ema", "G") if isinstance(data.get(name), Record)), "")
        data = data.get(member)
    if not isinstance(data, Record):
        raise WeightsError(f"{path} is a pickle without a generator (G_ema): get the file that a training wrote")
    storages, tensors = Storages(), {}
    for name, value in _stored(data, str(path)):
        try:
            tensors[name] = storages.tensor(value)
        except WeightsError as error:
            raise WeightsError(f"{path}: {shown(name)} {error}") from error
    return Checkpoint("official", member, shown(data.kind), _arguments(data, str(path)), tensors, file_sha256(path))


def _stored(root: Record, where: str) -> Iterator[tuple[str, Strided]]:
    """Name and record of every parameter and persistent buffer, as a state dict has them."""
    waiting: list[tuple[str, int, object]] = [("", 0, root)]
    count = 0
    while waiting:
        prefix, depth, module = waiting.pop()
        count += 1
        if not isinstance(module, Record) or depth > DEPTH or count > MOST:
            raise WeightsError(f"{where}: {shown(prefix) or 'the generator'} is no tree of modules: get the file anew")
        passing = module.state.get("_non_persistent_buffers_set")
        passing = passing if isinstance(passing, set | frozenset) else ()
        for kind in ("_parameters", "_buffers"):
            for name, value in _named(module, kind, where).items():
                if value is None or (kind == "_buffers" and name in passing):
                    continue
                if not isinstance(value, Strided):
                    raise WeightsError(f"{where}: {shown(prefix + name)} is no tensor: get the file anew")
                yield prefix + name, value
        children = _named(module, "_modules", where).items()
        waiting += [(f"{prefix}{name}.", depth + 1, child) for name, child in children if child is not None]


def _named(module: Record, kind: str, where: str) -> dict[str, object]:
    found = module.state.get(kind, {})
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise WeightsError(f"{where}: the {kind} of {shown(module.kind)} have no names: get the file anew")
    return found


def _arguments(network: Record, where: str) -> dict[str, Any]:
    """The constructor's arguments; what the network says of itself now comes before what it was made with."""
    state = network.state
    stated = dict(state["_init_kwargs"]) if isinstance(state.get("_init_kwargs"), dict) else {}
    stated |= {name: state[name] for name in ("rendering_kwargs", "neural_rendering_resolution") if name in state}
    left = [MOST]
    return _plain(stated, left, where)


def _plain(value: object, left: list[int], where: str, depth: int = 0) -> Any:  # noqa: ANN401 - JSON's types
    """`value` in JSON's types, what has none as text; `left` counts down, as shared values may multiply."""
    left[0] -= 1
    if left[0] < 0 or depth > DEPTH:
        raise WeightsError(f"{where}: the arguments of its generator have no end: get the file anew")
    if isinstance(value, dict):
        return {str(name): _plain(item, left, where, depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, left, where, depth + 1) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(str(item) for item in value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        return "a large number"
    return value if isinstance(value, bool | int | float | str) or value is None else type(value).__name__


def _torch(path: Path) -> Checkpoint:
    try:
        data = torch_data(path, classes=(argparse.Namespace,))
    except WeightsError as error:
        raise WeightsError(f"{path} {error}") from error
    whole = data if isinstance(data, dict) else {}
    member = next((name for name in ("g_ema", "G_ema", "g", "G") if isinstance(whole.get(name), Mapping)), "")
    state = whole[member] if member else whole
    tensors = {name: value for name, value in state.items() if isinstance(name, str) and isinstance(value, Tensor)}
    if not tensors:
        raise WeightsError(
            f"{path} holds no generator (g_ema, or names and tensors): get the file that a training wrote"
        )
    if member and isinstance(average := whole.get("latent_avg"), Tensor):
        tensors["latent_avg"] = average
    stated = vars(whole["args"]) if isinstance(whole.get("args"), argparse.Namespace) else {}
    arguments = {name: stated[name] for name in SIZES if isinstance(stated.get(name), int | float)}
    layout: Layout = "rosinality" if "input.input" in tensors else "official"
    return Checkpoint(layout, member, "", arguments, tensors, file_sha256(path))
