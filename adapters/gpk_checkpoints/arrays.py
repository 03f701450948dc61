"""One array out of a file of another tool: .npy, .npz, what torch.save writes, or safetensors, told apart by content.

Latent codes and directions are published as any of these (docs/guide.md has a table): an array alone, or under a name
beside others. All are read as data: nothing in them is run, and none claims memory that the file does not fill.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gpk.errors import WeightsError
from gpk_checkpoints.array_kinds import KINDS, Kind, Way, listed, loading, saving
from gpk_checkpoints.budget import Budget, open_file, parse_json
from gpk_checkpoints.files import read_safetensors
from gpk_checkpoints.numpy_files import MAGIC, read_npy, read_npz
from gpk_checkpoints.sniffed import begins_safetensors, container
from gpk_checkpoints.strangers import what_it_is
from gpk_checkpoints.tensor_files import numbers_of, tensors_in

NAMES = ("w", "latent", "latents", "latent_code", "w_pivot", "w_plus", "ws")
"""What an array of codes is called where it is not alone: the first by NVIDIA's projectors and by gpk itself."""
FORMATS = ".npy, .npz, .pt or safetensors"
"""What a message says of the formats that are read."""


@dataclass(frozen=True)
class Array:
    """An array of the file at `path`: its numbers in float32, the way to it in the file, what was `wanted` of it, and
    what gpk's own files tell of themselves.
    """

    path: Path
    kind: Kind
    way: Way
    values: Tensor
    wanted: str = ""
    header: Mapping[str, Any] = field(default_factory=dict)

    def refused(self, what: str = "", *, line: str | None = None) -> WeightsError:
        """The error of an array that is not what was wanted: `what` it is besides, and how `line` goes on after the
        Python that gives it, to make a right one of it.
        """
        load = loading(self.path, self.kind, self.way)
        convert = "" if line is None else f": {saving(self.path, load + line)} converts it"
        found = f"{KINDS[self.kind]} {list(self.values.shape)}{what}{convert}"
        return WeightsError(f"{self.path} is {found}. Wanted is {self.wanted}, as {FORMATS}")


def read_array(path: Path, *, wanted: str, own: str, names: Sequence[str] = NAMES) -> Array:
    """The array of the file at `path`: that called as the first of `names`, else the only one called as another of
    them, else the only one there. Its numbers are floating-point ones, all finite.

    Raises WeightsError, which names the file, says what it is and that `wanted` is wanted, where it is missing,
    damaged, of another format, gpk's own but not of the format `own`, or tells no such array.
    """
    try:
        stored = replace(_read(path, own, names), wanted=wanted)
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error
    except WeightsError as error:
        told = str(error).removeprefix(f"{path} ")  # some begin with it, some are to follow it
        raise WeightsError(f"{path} {told}. Wanted is {wanted}, as {FORMATS}") from error
    if not torch.isfinite(stored.values).all():
        raise stored.refused(" with numbers that are not finite (NaN or infinite): make it anew")
    return stored


def _read(path: Path, own: str, names: Sequence[str]) -> Array:
    """The array; what its errors say is to follow the file's name."""
    with open_file(path) as file:
        start = file.read(16)
    if start.startswith(MAGIC):
        return Array(path, "npy", (), read_npy(path))
    if start[:2] == b"PK" and not _is_torch(path):
        name, values = read_npz(path, lambda there: str(_chosen(path, "npz", there, names)[0]))
        return Array(path, "npz", (name,), values)
    if begins_safetensors(start):
        return _safetensors(path, own, names)
    if container(path) != "torch":
        raise WeightsError(what_it_is(path))
    found = tensors_in(path)
    way = _chosen(path, "torch", [*found], names)
    return Array(path, "torch", way, numbers_of(path, "torch", way, found[way]))


def _is_torch(path: Path) -> bool:
    """Whether the zip at `path` is of torch.save, and not of numpy; raises WeightsError where it is of neither."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise WeightsError("is a zip file, as numpy and torch write, that is cut short: copy it again") from error
    if any(name.rpartition("/")[2] == "data.pkl" for name in names):
        return True
    if names and all(name.endswith(".npy") for name in names):
        return False
    raise WeightsError(f"is a zip file of {listed(names) or 'nothing'}: unpack it, and give what it holds")


def _safetensors(path: Path, own: str, names: Sequence[str]) -> Array:
    tensors, metadata = read_safetensors(path)
    header: Any = {}
    if "gpk" in metadata:
        try:
            header = parse_json(metadata["gpk"], Budget(str(path)))
        except ValueError as error:
            raise WeightsError("is a safetensors file whose header is damaged: copy it again") from error
        found = header.get("format") if isinstance(header, dict) else None
        if found != own:
            anchors = loading(path, "safetensors", ("anchors",))
            line = f": {saving(path, anchors)} saves its anchors alone" if "anchors" in tensors else ""
            raise WeightsError(f"is gpk's own, of format {str(found)[:40]!r} and not {own!r}{line}")
    way = _chosen(path, "safetensors", [(name,) for name in tensors], names)
    return Array(path, "safetensors", way, numbers_of(path, "safetensors", way, tensors[str(way[0])]), header=header)


def _chosen(path: Path, kind: Kind, there: Sequence[Way], names: Sequence[str]) -> Way:
    """The way to the array, of those that are there."""
    known = [(name,) for name in names if (name,) in there]
    if known and (known[0] == (names[0],) or len(known) == 1):
        return known[0]
    if len(there) == 1:
        return there[0]
    if not there:
        raise WeightsError(f"is {KINDS[kind]} without an array: get the file of the array")
    told_names = listed([".".join(map(str, way)) for way in known or there])
    line = saving(path, loading(path, kind, (known or there)[0]))
    raise WeightsError(f"is {KINDS[kind]} with {len(there)} arrays ({told_names}): {line} saves the first alone")
