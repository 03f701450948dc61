"""A persona as one safetensors file.

Tensors under the persona's own names; metadata `gpk` (the header, JSON) and the `modelspec.*` keys that model browsers
read (Stability AI, ModelSpec 1.0.0). Neither date nor paths nor people's names, so that one persona is one sequence
of bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpk.errors import InputError, PersonaError, WeightsError
from gpk.persona import FORMAT, Persona
from gpk_checkpoints.budget import Budget, brief, parse_json
from gpk_checkpoints.files import read_metadata, read_safetensors, write_safetensors
from gpk_checkpoints.sniffed import own_kind

SUFFIX = ".persona.safetensors"
"""How the name of a persona's file ends."""


def save_persona(path: Path | str, persona: Persona) -> None:
    """Replaces the file at `path`, whole or not at all; raises RunError where it cannot be written."""
    header = persona.header()
    title = f"Persona for {persona.origin.backend} ({persona.origin.card})"
    metadata = modelspec(title, f"{persona.origin.backend}/lora", persona.origin.licence)
    write_safetensors(Path(path), persona.tensors(), metadata | {"gpk": compact(header)})


def load_persona(path: Path | str) -> Persona:
    """The persona in the file at `path`.

    Raises PersonaError where the file is missing, cut short, of another kind, or its tensors are not those of its
    header; the message names the file.
    """
    path = Path(path)
    try:
        tensors, metadata = read_safetensors(path)
    except WeightsError as error:
        raise PersonaError(str(error)) from error
    header = _header(path, metadata)
    try:
        return Persona.from_tensors(header, tensors)
    except InputError as error:
        raise PersonaError(f"{path}: {brief(str(error))}: copy or download it again") from error


def read_header(path: Path) -> dict[str, Any]:
    """The header alone, without reading a tensor; raises PersonaError as `load_persona` does."""
    try:
        return _header(path, read_metadata(path))
    except WeightsError as error:
        raise PersonaError(str(error)) from error


def modelspec(title: str, architecture: str, licence: str) -> dict[str, str]:
    """The `modelspec.*` keys; no date, and no licence where none is known."""
    keys = {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": architecture,
        "modelspec.implementation": "gpk",
        "modelspec.title": title,
    }
    return keys | ({"modelspec.license": licence} if licence else {})


def compact(value: Mapping[str, Any]) -> str:
    """JSON in one line, keys in their own order; raises ValueError for a number that is not finite."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _header(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    if "gpk" not in metadata:
        raise PersonaError(f"{path} is no persona: a safetensors file without gpk's header. Give a *{SUFFIX} file")
    try:
        header = parse_json(metadata["gpk"], Budget(str(path), PersonaError))
    except ValueError as error:
        raise PersonaError(f"{path}: its header is damaged: {brief(str(error))}") from error
    if not isinstance(header, dict) or not str(header.get("format", "")).startswith("gpk-persona/"):
        what = own_kind(header) if isinstance(header, dict) else None
        raise PersonaError(
            f"{path} is no persona: {what or f'its header has no format {FORMAT}'}. Give a *{SUFFIX} file"
        )
    if header["format"] != FORMAT:
        raise PersonaError(
            f"{path}: format {brief(str(header['format']), 40)!r}, where this gpk reads {FORMAT!r}: update gpk"
        )
    return header
