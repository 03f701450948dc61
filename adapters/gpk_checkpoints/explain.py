"""What a file is, who writes such files, and what each backend would take of it: `gpk weights explain`.

For any file whatsoever: it is read as an import would read it, and what an import would refuse is said instead.
"""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from corekit.checkpoint import Adopted
from corekit.errors import InputError, WeightsError
from corekit.plugin import Backend
from gpk_checkpoints.assembly import assemble
from gpk_checkpoints.families import described
from gpk_checkpoints.files import container
from gpk_checkpoints.foreign import KEY, Checkpoint, Place, apart, places_of, read_checkpoint, stored
from gpk_checkpoints.imports import differences
from gpk_checkpoints.inert import shown

STARTS: Mapping[bytes, str] = {
    b"\x93NUMPY": "an array of NumPy (.npy): a code or a direction perhaps, for --anchors, --codes or --direction",
    b"\x89PNG": "a picture (PNG)",
    b"\xff\xd8\xff": "a picture (JPEG)",
    b"GIF8": "a picture (GIF)",
    b"RIFF": "a picture or a video (RIFF)",
    b"\x89HDF": "an HDF5 file, as Keras writes: gpk reads PyTorch's",
    b"\x1f\x8b": "a file packed with gzip: unpack it first",
    b"7z\xbc\xaf": "a 7z archive: unpack it first",
    b"%PDF": "a PDF",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"<!DO": "a web page: perhaps what a server sent instead of the file",
    b"<htm": "a web page: perhaps what a server sent instead of the file",
    b"vers": "a text that stands for a file of Git LFS: fetch the file itself, with `git lfs pull`",
}
"""What a file that is no checkpoint begins with."""
OURS: Mapping[str, str] = {
    "gpk-persona": "a persona of gpk: see `gpk show FILE`",
    "gpk-direction": "a direction of gpk, for --direction",
    "gpk-codes": "codes of gpk, for --codes",
}
"""gpk's own files that are no weights, by the beginning of their format."""


def explain(path: Path, backends: Sequence[Backend]) -> dict[str, Any]:
    """What the file is, in JSON types: `what` in words, and its `networks`, each with what every backend says of it.

    `refused` is why nothing of it can be read, None where it can. Raises WeightsError where there is no such file.
    """
    file, _ = apart(path)
    if file.is_dir():
        return _nothing(file, "a folder: give one of its files")
    if not file.exists():
        raise WeightsError(f"there is no {file}: give a file")
    if not file.is_file():
        return _nothing(file, "a device or a pipe, which has no end: give a file")
    size = file.stat().st_size
    if (what := _no_checkpoint(file, size)) is not None:
        return _nothing(file, what) | {"bytes": size}
    try:
        read = read_checkpoint(path)
    except WeightsError as error:
        return _nothing(file, _format(file)) | {"bytes": size, "refused": str(error)}
    kind = str(read.facts.get("format", "")).partition("/")[0]
    return {
        "file": str(file),
        "bytes": size,
        "what": OURS.get(kind, _format(file)),
        "refused": None,
        "networks": [] if kind in OURS else [_network(read, network, backends) for network in read.networks],
    }


def _nothing(file: Path, what: str) -> dict[str, Any]:
    return {"file": str(file), "bytes": 0, "what": what, "refused": None, "networks": []}


def _no_checkpoint(file: Path, size: int) -> str | None:
    """What a file is that is none of the three formats of checkpoints."""
    if not size:
        return "an empty file"
    with file.open("rb") as opened:
        start = opened.read(512)
    for begin, what in STARTS.items():
        if start.startswith(begin) and (begin != b"vers" or b"git-lfs" in start):
            return what
    if start[:2] == b"PK":
        return _zip(file)
    if container(file) == "safetensors" and start[8:9] != b"{":
        text = start.isascii() and all(byte >= 32 or byte in b"\t\r\n" for byte in start)
        return "a text" if text else "nothing that gpk knows"
    return None


def _zip(file: Path) -> str | None:
    """What a zip holds that torch.save did not write."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, OSError):
        return None
    if any(name.endswith("/data.pkl") for name in names):
        return None
    kinds = Counter(Path(name).suffix.lower() for name in names if not name.endswith("/")).most_common(3)
    told = ", ".join(f"{count:,} {shown(kind) or 'without suffix'}" for kind, count in kinds) or "nothing"
    arrays = any(kind == ".npy" for kind, _ in kinds)
    return (
        "arrays of NumPy (.npz): codes perhaps, for --anchors or --codes"
        if arrays
        else (f"a zip of {told}: an album perhaps, for `gpk personalize`")
    )


def _format(file: Path) -> str:
    with file.open("rb") as opened:
        start = opened.read(2)
    match container(file):
        case "torch":
            return "a file of torch.save (a zip)" if start == b"PK" else "a file of torch.save before torch 1.6"
        case "pickle":
            return f"a pickle (protocol {start[1]}), as NVIDIA's programs write them"
        case _:
            return "a safetensors file"


def _network(read: Checkpoint, network: Any, backends: Sequence[Backend]) -> dict[str, Any]:  # noqa: ANN401
    return {
        "key": network.key,
        "class": network.kind,
        "tensors": len(network.tensors),
        "what": described(network.tensors),
        "backends": [
            _said(read, place, backend)
            for backend in backends
            for place in places_of(read, backend)
            if place.network is network
        ],
    }


def _said(read: Checkpoint, place: Place, backend: Backend) -> dict[str, Any]:
    """What the backend makes of the network: what it takes, as which card, and what it leaves; or why it refuses it."""
    told: dict[str, Any] = {"backend": backend.name, "key": place.label, "refused": None}
    try:
        network = stored(read, place)
        took = Adopted({}, network.tensors) if backend.adopt is None or read.facts else backend.adopt(network)
        stated = read.facts.get("config") or took.settings
        _, config = assemble(read.path, backend, {**backend.card.config, **stated}, took.tensors)
    except InputError as error:
        return told | {"refused": str(error)}
    cards = [card.name for card in backend.cards if not differences(backend, card, config)]
    why = "" if cards else differences(backend, backend.card, config)[0]
    key = f"{KEY}{place.label}" if place.label and read.key else ""
    option = "" if backend.card.name in cards else f" --card {cards[0]}" if cards else " --as NAME"
    return told | {
        "cards": cards,
        "no_card": why,
        "side": config.get("img_resolution"),
        "states": {name: value for name, value in took.settings.items() if value is not None},
        "ignored": dict(took.ignored),
        "notes": list(took.notes),
        "command": f"gpk weights import {backend.name} {read.path}{key}{option}",
    }
