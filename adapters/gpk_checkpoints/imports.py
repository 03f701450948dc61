"""Weights in anybody's format made into one safetensors file of ours, in the cache.

Metadata `gpk`: format, backend, card, licence, title, the whole config, the arguments as they were read, the source's
name and hash, and the generator's fingerprint. What the file says of its generator comes before what the card says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from gpk.checkpoint import Adopted
from gpk.errors import InputError, RunError, WeightsError
from gpk.generator import Generator, fingerprint
from gpk.made_for import require_backend
from gpk.plugin import Backend, Card
from gpk_checkpoints.assembly import assemble
from gpk_checkpoints.cache import source_file
from gpk_checkpoints.download import file_sha256
from gpk_checkpoints.families import described, has_factors
from gpk_checkpoints.files import write_safetensors
from gpk_checkpoints.foreign import KEY, Checkpoint, Place, apart, find_place, read_checkpoint, stored
from gpk_checkpoints.inert import shown
from gpk_checkpoints.inventory import read_imported
from gpk_checkpoints.networks import Network
from gpk_checkpoints.personas import compact, modelspec
from gpk_checkpoints.sniffed import own_kind

FORMAT = "gpk-weights/1"
"""What the header of imported weights calls their format."""


@dataclass(frozen=True)
class Import:
    """A generator as it was read, on the CPU: where it lay, its whole config, the card that it is of, and what its
    backend made of the file.
    """

    generator: Generator
    config: Mapping[str, Any]
    card: Card
    read: Checkpoint
    place: Place
    took: Adopted

    def header(self, backend: Backend) -> dict[str, Any]:
        """What a file of these weights says of itself, in JSON types."""
        return {
            "format": FORMAT,
            "backend": backend.name,
            "card": self.card.name,
            "licence": self.card.licence,
            "title": self.card.title,
            "config": dict(self.config),
            "arguments": self.place.network.arguments,
            "source": {
                "name": self.read.path.name,
                "layout": self.read.container,
                "family": self.place.network.kind,
                "member": self.place.label,
                "sha256": file_sha256(self.read.path),
            },
            "fingerprint": fingerprint(self.generator),
        }


def import_weights(backend: Backend, card: Card, source: Path, *, to: Path | None = None) -> Path:
    """The file at `to` with the generator of `source`, any format, as weights of `card`.

    `to` None is the cache's file for a source with this hash, which is left as it is where it is there already. Raises
    WeightsError where the source is not a generator of this backend, or not the card's, and RunError where the file
    cannot be written.
    """
    path = to or cached_file(backend, source)
    if to is not None or not is_imported(path, card):
        write_import(path, backend, convert(backend, card, source))
    return path


def cached_file(backend: Backend, source: Path) -> Path:
    """The cache's file for what `source`, a FILE::KEY perhaps, holds; raises WeightsError where that cannot be read."""
    file, key = apart(source)
    sha256 = file_sha256(file)
    return source_file(backend.name, hashlib.sha256(f"{sha256}{KEY}{key}".encode()).hexdigest() if key else sha256)


def convert(backend: Backend, card: Card | None, source: Path) -> Import:
    """What `import_weights` would write; a source that is no generator of this backend leaves no trace.

    `card` None is the backend's first where the file agrees with it, and else one of the file's own. Raises
    WeightsError as `import_weights` does.
    """
    read = read_checkpoint(source)
    refuse_other_backend(source, backend, read.facts)
    place, took = adopted(backend, read)
    base = card or backend.card
    generator, config = assemble(read.path, backend, {**base.config, **took.settings}, took.tensors)
    return Import(generator, config, _card_of_file(read, backend, card, config), read, place, took)


def write_import(path: Path, backend: Backend, made: Import) -> None:
    """Replaces the file at `path`, whole or not at all; raises RunError where it cannot be written."""
    keys = modelspec(made.card.title, backend.name, made.card.licence)
    with _alone(path):
        write_safetensors(path, made.generator.state_dict(), keys | {"gpk": compact(made.header(backend))})


def is_imported(path: Path, card: Card) -> bool:
    """Whether the file at `path` is a whole one that was imported for `card`."""
    try:
        return read_imported(path).card == card.name
    except WeightsError:
        return False


def adopted(backend: Backend, read: Checkpoint) -> tuple[Place, Adopted]:
    """Where the backend's generator lies in the file, and what the backend makes of it.

    Raises WeightsError that names the file where it holds none, or one that the backend refuses.
    """
    if read.facts:
        (network,) = read.networks
        if read.key:
            raise WeightsError(f"{read.path} holds one generator alone: leave out {KEY}{shown(read.key)}")
        config = read.facts.get("config", {})
        if not isinstance(config, Mapping):
            raise WeightsError(f"{read.path}: the config in its gpk metadata is {config!r}, not a mapping")
        _refuse_factors(read, network)
        return Place(network), Adopted(config, network.tensors)
    place = find_place(read, backend)
    _refuse_factors(read, place.network)
    network = stored(read, place)
    if backend.adopt is None:
        return place, Adopted({}, network.tensors)
    try:
        return place, backend.adopt(network)
    except InputError as error:
        raise WeightsError(f"{read.path} holds no generator that {backend.name} can take: {error}") from error


def _refuse_factors(read: Checkpoint, network: Network) -> None:
    """Raises WeightsError for a generator with low-rank factors beside its layers: without them it is somebody else."""
    if has_factors(network.tensors):
        raise WeightsError(f"{read.path} holds no weights, but {described(network.tensors)}")


def refuse_other_backend(path: Path, backend: Backend, facts: Mapping[str, Any]) -> None:
    """Raises WeightsError where a file of gpk's says that it is another backend's, or no weights."""
    if (what := own_kind(facts)) is not None:
        raise WeightsError(f"{path} is {what}. A checkpoint of a generator is needed")
    require_backend(facts, backend, what=f"{path} holds a generator", error=WeightsError)


def differences(backend: Backend, card: Card, config: Mapping[str, Any]) -> list[str]:
    """In what a generator of `config` is not the card's checkpoint, in words; empty where it may be."""
    plain = {name: _listed(config[name]) for name in backend.essential if name in config and name in card.config}
    return [
        f"{name} is {value}, where the card has {_listed(card.config[name])}"
        for name, value in plain.items()
        if value != _listed(card.config[name])
    ]


def _card_of_file(read: Checkpoint, backend: Backend, card: Card | None, config: Mapping[str, Any]) -> Card:
    """The card that the file is taken for; raises WeightsError where it is not the one that was asked for."""
    wanted = card or backend.card
    if wanted not in backend.cards or not (differ := differences(backend, wanted, config)):
        return wanted
    if card is None:
        return backend.own_card()
    others = [other.name for other in backend.cards if not differences(backend, other, config)]
    fits = f"--card {' or '.join(others)} is of its sizes. " if others else ""
    raise WeightsError(
        f"{read.path} is not {backend.name}/{wanted.name}: its {'; its '.join(differ)}. {fits}To take it as a card of "
        f"its own, give --weights without --card, or run `gpk weights import {backend.name} FILE --as NAME`"
    )


def _listed(value: object) -> object:
    return [*map(_listed, value)] if isinstance(value, list | tuple) else value


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Nobody else writes into the folder of `path` meanwhile; raises RunError where it cannot be written to."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_name(".lock")).acquire()
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RunError(f"cannot write in {path.parent}: {reason}; GPK_CACHE names another folder") from error
    with lock:
        yield
