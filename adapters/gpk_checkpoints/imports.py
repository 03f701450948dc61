"""Weights in anybody's format made into one safetensors file of ours, in the cache.

Metadata `gpk`: format, backend, card, licence, title, the whole config, the arguments as they were read, the source's
name and hash, and the generator's fingerprint. What the file says of its generator comes before what the card says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock
from torch import Tensor

from corekit.errors import InputError, RunError, WeightsError
from corekit.generator import Generator, fingerprint
from corekit.plugin import Backend, Card
from gpk_checkpoints.assembly import assemble
from gpk_checkpoints.cache import source_file
from gpk_checkpoints.download import file_sha256
from gpk_checkpoints.files import write_safetensors
from gpk_checkpoints.foreign import Checkpoint, read_checkpoint
from gpk_checkpoints.inventory import read_imported
from gpk_checkpoints.personas import compact, modelspec

FORMAT = "gpk-weights/1"


@dataclass(frozen=True)
class Import:
    """A generator as it was read, on the CPU, and the header of the file to write."""

    generator: Generator
    header: Mapping[str, Any]


def import_weights(backend: Backend, card: Card, source: Path, *, to: Path | None = None) -> Path:
    """The file at `to` with the generator of `source`, any format, as weights of `card`.

    `to` None is the cache's file for a source with this hash, which is left as it is where it is there already. Raises
    WeightsError where the source is not a generator of this backend, and RunError where the file cannot be written.
    """
    path = to or source_file(backend.name, file_sha256(source))
    if to is not None or not is_imported(path, card):
        write_import(path, convert(backend, card, source))
    return path


def convert(backend: Backend, card: Card, source: Path) -> Import:
    """What `import_weights` would write; a source that is no generator of this backend leaves no trace."""
    read = read_checkpoint(source)
    refuse_other_backend(source, backend, read.facts)
    stated, tensors = adopted(source, backend, read)
    generator, config = assemble(source, backend, {**card.config, **stated}, tensors)
    header = {
        "format": FORMAT,
        "backend": backend.name,
        "card": card.name,
        "licence": card.licence,
        "title": card.title,
        "config": dict(config),
        "arguments": read.arguments,
        "source": {
            "name": source.name,
            "layout": read.layout,
            "family": read.family,
            "member": read.member,
            "sha256": read.sha256,
        },
        "fingerprint": fingerprint(generator),
    }
    return Import(generator, header)


def write_import(path: Path, made: Import) -> None:
    """Replaces the file at `path`, whole or not at all; raises RunError where it cannot be written."""
    title, backend, licence = (str(made.header[key]) for key in ("title", "backend", "licence"))
    keys = modelspec(title, backend, licence)
    with _alone(path):
        write_safetensors(path, made.generator.state_dict(), keys | {"gpk": compact(made.header)})


def is_imported(path: Path, card: Card) -> bool:
    """Whether the file at `path` is a whole one that was imported for `card`."""
    try:
        return read_imported(path).card == card.name
    except WeightsError:
        return False


def adopted(source: Path, backend: Backend, read: Checkpoint) -> tuple[Mapping[str, Any], Mapping[str, Tensor]]:
    """The config that the file states, and its tensors by the generator's own names."""
    if read.facts:
        config = read.facts.get("config", {})
        if not isinstance(config, Mapping):
            raise WeightsError(f"{source}: the config in its gpk metadata is {config!r}, not a mapping")
        return config, read.tensors
    if backend.adopt is None:
        return {}, read.tensors
    try:
        return backend.adopt(read.arguments, read.tensors)
    except InputError as error:
        raise WeightsError(f"{source} holds no {backend.name} generator, perhaps another family's: {error}") from error


def refuse_other_backend(path: Path, backend: Backend, facts: Mapping[str, Any]) -> None:
    """Raises WeightsError where the file says that it is another backend's."""
    if (other := facts.get("backend", backend.name)) != backend.name:
        raise WeightsError(
            f"{path} holds a generator of the backend {other}, not {backend.name}: use --backend {other}"
        )


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
