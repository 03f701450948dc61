"""Checkpoints as others write them: pickles, .pt files, safetensors with any names; all read as data alone.

The file's contents say what it is, not its name. Which of its networks is meant is found by the names that every
generator of a family has (`Backend.marks`), whatever wrappers and prefixes lie around them; where several are, an
average of the weights (…ema) comes first, and FILE::KEY says which is meant.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gpk.checkpoint import Stored
from gpk.errors import WeightsError
from gpk.plugin import Backend
from gpk_checkpoints.archives import read_archive
from gpk_checkpoints.budget import open_file
from gpk_checkpoints.families import SHOWN, described
from gpk_checkpoints.files import read_safetensors
from gpk_checkpoints.inert import read_pickle, shown
from gpk_checkpoints.networks import Network, check_names, networks_in
from gpk_checkpoints.pickled import Strided
from gpk_checkpoints.sniffed import Container, container, no_checkpoint
from gpk_checkpoints.storages import Storages

KEY = "::"
"""What parts a file's name from the place in it that is meant."""


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds: its networks, and in a safetensors file of gpk's what gpk wrote into it (`facts`).

    `key` is the place in it that is meant, where FILE::KEY names one.
    """

    path: Path
    key: str
    container: Container
    networks: Sequence[Network]
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """Where a generator lies in a file: the network, and what is written before the names of its tensors."""

    network: Network
    prefix: str = ""

    @property
    def label(self) -> str:
        """What names it behind `::`; empty for the whole of a file."""
        return ".".join(part for part in (self.network.key, self.prefix.rstrip(".")) if part)


def apart(path: Path) -> tuple[Path, str]:
    """The file, and the place in it that is meant, in FILE::KEY."""
    if KEY not in path.name or path.exists():
        return path, ""
    name, _, key = path.name.partition(KEY)
    return path.with_name(name), key


def read_checkpoint(path: Path, *, wanted: str = "A checkpoint of a generator") -> Checkpoint:
    """What the file at `path` holds, a `FILE::KEY` perhaps; nothing that it names is imported or run.

    Raises WeightsError that names the file and, where that is something else, what is `wanted`.
    """
    file, key = apart(path)
    found = container(file)
    if (what := no_checkpoint(file)) is not None:
        raise WeightsError(f"{file} is {what}. {wanted} is needed")
    facts: Mapping[str, Any] = {}
    if found == "safetensors":
        tensors, metadata = read_safetensors(file)
        facts = own_facts(file, metadata)
        networks = [Network("", "", tensors)]
    elif found == "torch":
        networks = networks_in(read_archive(file, str(file)), str(file))
    else:
        try:
            with open_file(file) as opened:
                networks = networks_in(read_pickle(opened, file.stat().st_size, str(file)), str(file))
        except OSError as error:
            raise WeightsError(f"cannot read {file}: {error.strerror}") from error
    check_names(networks, str(file))
    return Checkpoint(file, key, found, networks, facts)


def own_facts(path: Path, metadata: Mapping[str, str]) -> Mapping[str, Any]:
    """What gpk wrote into a file's metadata, empty where it did not; raises WeightsError where that is damaged."""
    try:
        facts = json.loads(metadata.get("gpk", "{}"))
    except (json.JSONDecodeError, RecursionError) as error:
        raise WeightsError(f"{path}: its gpk metadata is no JSON object: {error}") from error
    if not isinstance(facts, dict):
        raise WeightsError(f"{path}: its gpk metadata is no JSON object: {type(facts).__name__}")
    return facts


def find_place(read: Checkpoint, backend: Backend) -> Place:
    """Where the backend's generator lies in the file.

    Raises WeightsError where there is none, which says what there is, or more than one, which names them.
    """
    places = list(places_of(read, backend))
    if read.key:
        places = [place for place in places if place.label == read.key]
    if not places:
        where = f" at {shown(read.key)!r}" if read.key else ""
        raise WeightsError(f"{read.path} holds no {backend.name} generator{where}; it holds {contents(read)}")
    chosen = [place for place in places if "ema" in place.label.lower()] or places
    if len(chosen) > 1:
        keys = " or ".join(f"{read.path}{KEY}{shown(place.label)}" for place in chosen[:SHOWN])
        keys += f" and {len(chosen) - SHOWN:,} more" if len(chosen) > SHOWN else ""
        raise WeightsError(f"{read.path} holds {len(chosen)} generators of {backend.name}: say which, {keys}")
    return chosen[0]


def contents(read: Checkpoint) -> str:
    """The networks of a file, in words."""
    kinds: dict[str, list[str]] = {}
    for network in read.networks:
        kinds.setdefault(described(network.tensors), []).append(shown(network.key))
    told = [f"at {', '.join(keys[:SHOWN])} {kind}" if all(keys) else kind for kind, keys in kinds.items()]
    return "; ".join(told[:SHOWN]) or "no network at all"


def places_of(read: Checkpoint, backend: Backend) -> Iterator[Place]:
    """Every place in the file that looks like a generator of the backend."""
    marks = [re.compile(rf"(|.*\.){mark}") for mark in backend.marks]
    for network in read.networks:
        if marks:
            prefixes = {m[1] for name in network.tensors for mark in marks if (m := mark.fullmatch(name))}
        else:
            prefixes = _prefixes(backend, list(network.tensors)) or ({""} if len(read.networks) == 1 else set())
        yield from (Place(network, prefix) for prefix in sorted(prefixes))


def _prefixes(backend: Backend, names: Sequence[str]) -> set[str]:
    """What lies before the names of what the backend builds, where half of them are there; of a backend that gives them
    other names only it can tell.
    """
    if backend.adopt is not None:
        return {""} if len(names) > 1 else set()
    with torch.random.fork_rng(devices=()), torch.device("meta"):
        wanted = list(backend.build(backend.card.config).state_dict())
    tried = {
        name.removesuffix(known) for known in (wanted[0], wanted[-1]) for name in names if name.endswith(known)
    } | {""}
    there = set(names)
    return {prefix for prefix in tried if 2 * sum(prefix + known in there for known in wanted) >= len(wanted)}


def stored(read: Checkpoint, place: Place) -> Stored:
    """The network at `place`, with its tensors by their names without the prefix.

    Raises WeightsError that names the tensor where the file is damaged.
    """
    network, prefix = place.network, place.prefix
    storages = Storages(read.path.stat().st_size)

    tensors: dict[str, Tensor] = {}
    for name, value in network.tensors.items():
        if name.startswith(prefix):
            try:
                tensors[name.removeprefix(prefix)] = storages.tensor(value)
            except WeightsError as error:
                raise WeightsError(f"{read.path}: {shown(name)} {error}") from error
    around = {name: value for name, value in network.tensors.items() if prefix and "." not in name}
    beside: dict[str, Tensor] = {}
    for name, value in {**around, **network.beside}.items():
        with contextlib.suppress(WeightsError):  # whatever it is, the network can do without
            beside[name] = storages.tensor(value)
    modules = {
        path.removeprefix(prefix): {name: _plain(value, storages) for name, value in attributes.items()}
        for path, attributes in network.modules.items()
        if path.startswith(prefix)
    }
    return Stored(tensors, network.arguments, modules, beside)


def _plain(value: object, storages: Storages) -> object:
    """An attribute in JSON's types; None for a tensor that is damaged."""
    if not isinstance(value, Strided):
        return value
    try:
        return storages.tensor(value).tolist()
    except WeightsError:
        return None
