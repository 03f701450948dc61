"""What a file is, who writes such files, and what each backend would take of it: `gpk weights explain`.

For any file whatsoever: it is read as an import would read it, and what an import would refuse is said instead.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gpk.errors import InputError, WeightsError
from gpk.plugin import Backend
from gpk_checkpoints.assembly import assemble
from gpk_checkpoints.budget import open_file
from gpk_checkpoints.families import described
from gpk_checkpoints.foreign import Checkpoint, apart, places_of, read_checkpoint
from gpk_checkpoints.imports import adopted, differences
from gpk_checkpoints.sniffed import container, no_checkpoint, own_kind


def explain(path: Path, backends: Sequence[Backend]) -> dict[str, Any]:
    """What the file is, in JSON types: `what` in words, its `networks`, and what each backend of its family `takes`.

    `refused` is why nothing of it can be read, None where it can. Raises WeightsError where there is no such file.
    """
    file, _ = apart(path)
    report: dict[str, Any] = {"file": str(path), "bytes": 0, "what": "", "refused": None, "networks": [], "takes": []}
    if file.is_dir():
        return report | {"what": "a folder: give one of its files"}
    if not file.exists():
        raise WeightsError(f"there is no {file}: give a file")
    if not file.is_file():
        return report | {"what": "a device or a pipe, which has no end: give a file"}
    report["bytes"] = file.stat().st_size
    if (what := no_checkpoint(file)) is not None:
        return report | {"what": what}
    report["what"] = _format(file)
    try:
        read = read_checkpoint(path)
    except WeightsError as error:
        return report | {"refused": str(error).removeprefix(f"{file} ")}
    if (what := own_kind(read.facts)) is not None:
        return report | {"what": what}
    networks = [
        {"key": each.key, "class": each.kind, "tensors": len(each.tensors), "what": described(each.tensors)}
        for each in read.networks
    ]
    # A backend whose cards all bring their weights has no file of anybody else's.
    asked = [backend for backend in backends if any(card.weights is None and not card.ready for card in backend.cards)]
    takes = [said for backend in asked if (said := _said(path, read, backend)) is not None]
    return report | {"networks": networks, "takes": sorted(takes, key=lambda said: not said["cards"])}


def _format(file: Path) -> str:
    with open_file(file) as opened:
        start = opened.read(2)
    match container(file):
        case "torch":
            return "a file of torch.save (a zip)" if start == b"PK" else "a file of torch.save before torch 1.6"
        case "pickle":
            return f"a pickle (protocol {start[1]}), as NVIDIA's programs write them"
        case _:
            return "a safetensors file"


def _said(path: Path, read: Checkpoint, backend: Backend) -> dict[str, Any] | None:
    """What the backend takes of the file, as which card, and what it leaves; or why it refuses it. None for a file in
    which nothing is of its family.
    """
    if read.facts.get("backend", backend.name) != backend.name or not any(places_of(read, backend)):
        return None
    report: dict[str, Any] = {"backend": backend.name, "key": None, "refused": None, "cards": []}
    try:
        place, took = adopted(backend, read)
        _, config = assemble(read.path, backend, {**backend.card.config, **took.settings}, took.tensors)
    except InputError as error:
        # Without marks a backend knows its family by trying alone, and says nothing of what it does not take.
        return report | {"refused": str(error).removeprefix(f"{read.path} ")} if backend.marks else None
    cards = [card for card in backend.cards if not differences(backend, card, config)]
    option = "" if backend.card in cards else f" --card {cards[0].name}" if cards else " --as NAME"
    against = (cards or backend.cards)[0].config
    return report | {
        "key": place.label,
        "cards": [card.name for card in cards],
        "differs": differences(backend, backend.card, config) if not cards else [],
        "side": config.get("img_resolution"),
        "states": {name: value for name, value in took.settings.items() if _differs(value, against.get(name, value))},
        "ignored": dict(took.ignored),
        "notes": list(took.notes),
        "command": f"gpk weights import {backend.name} {path}{option}",
    }


def _differs(value: object, stated: object) -> bool:
    """Whether two settings, of which JSON and YAML may have made lists, are not the same."""
    return json.dumps(value, default=str) != json.dumps(stated, default=str)
