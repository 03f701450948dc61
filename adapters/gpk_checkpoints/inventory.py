"""What imported weights say of themselves, from the header alone. Light: never imports torch.

A safetensors file is the header's length as 8 bytes little-endian, the header as JSON, the tensors' bytes
(huggingface/safetensors, "Format"), so that a file cut short is known by its length.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpk.errors import WeightsError
from gpk.plugin import Backend, Card
from gpk_checkpoints.budget import Budget, open_file, parse_json
from gpk_checkpoints.cache import cache_folder, card_file
from gpk_checkpoints.inert import shown

FORMAT = "gpk-weights/"
"""How the header of imported weights begins to call their format; `gpk_checkpoints.imports` writes it."""
LARGEST_HEADER = 100_000_000
"""Bytes; the library's own limit."""


@dataclass(frozen=True)
class Imported:
    """Weights in the cache: `size` bytes at `path`, made for `card` of `backend` from a file `source` of `sha256`."""

    path: Path
    size: int
    backend: str
    card: str
    licence: str
    source: str
    sha256: str


def read_imported(path: Path) -> Imported:
    """What the file at `path` says of itself; raises WeightsError where it is missing, damaged or not made by gpk."""
    try:
        size = path.stat().st_size
        header = _header(path, size)
        facts = parse_json(header["__metadata__"]["gpk"], Budget(str(path)))
        if not facts["format"].startswith(FORMAT):
            raise WeightsError(f"{path} has the format {shown(facts['format'][:40])!r}, not {FORMAT}…: delete it")
        told = [facts["backend"], facts["card"], facts["licence"], facts["source"]["name"], facts["source"]["sha256"]]
        if not all(isinstance(each, str) for each in told):
            raise WeightsError(f"{path} is damaged, or no file that gpk imported: delete it")
        return Imported(path, size, *told)
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path} is damaged, or no file that gpk imported: delete it") from error


def imported_card(backend: Backend, name: str) -> Card | None:
    """The card of one's own under whose name weights were imported; None where none were. Raises as `read_imported`."""
    path = card_file(backend.name, name)
    return dataclasses.replace(backend.own_card(name), licence=read_imported(path).licence) if path.is_file() else None


def cached_files() -> Iterator[tuple[str, Path]]:
    """The name of a backend and a weights file of it, for all in the cache, whether or not it can be read."""
    for path in sorted((cache_folder() / "weights").glob("*/*.safetensors")):
        yield path.parent.name, path


def _header(path: Path, size: int) -> Any:  # noqa: ANN401 - JSON that nobody has checked
    with open_file(path) as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(size, LARGEST_HEADER):
            raise ValueError("the header is longer than the file")
        header = parse_json(file.read(length), Budget(str(path)))
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    if 8 + length + max(ends, default=0) != size:
        raise ValueError("the file is cut short")
    return header
