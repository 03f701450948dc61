"""What a file is, who writes such files, and what each backend would take of it: `gpk weights explain`.

For any file whatsoever: it is read as an import would read it, and what an import would refuse is said instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from corekit.checkpoint import Adopted
from corekit.errors import InputError, WeightsError
from corekit.plugin import Backend
from gpk_checkpoints.assembly import assemble
from gpk_checkpoints.families import described
from gpk_checkpoints.foreign import KEY, Checkpoint, Place, apart, places_of, read_checkpoint, stored
from gpk_checkpoints.imports import differences
from gpk_checkpoints.sniffed import OURS, container, no_checkpoint


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
    if (what := no_checkpoint(file)) is not None:
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
            said
            for backend in backends
            for place in places_of(read, backend)
            if place.network is network
            # Without marks a backend knows its family by trying alone, and says nothing of what it does not take.
            if (said := _said(read, place, backend)).get("cards") or backend.marks
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
