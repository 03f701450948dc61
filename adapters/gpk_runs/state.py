"""The state of a run: tensors, position and the length of the log, in one file, so that a crash cannot part them.

It carries the sha256 of its tensors: a run that goes on is to end as if it had never stopped, so numbers that a failing
disk or a curious hand has changed are no state.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from gpk.errors import RunError, WeightsError
from gpk_checkpoints.budget import Budget, parse_json
from gpk_checkpoints.files import read_metadata, read_safetensors, write_safetensors

FORMAT = "gpk-state/2"
"""What a state calls its format."""
START_OVER = "delete it to start this run over"


def write_state(path: Path, tensors: Mapping[str, Tensor], position: Mapping[str, Any], log_bytes: int) -> None:
    """Replaces the state at `path`, whole or not at all; `position` in JSON types, `log_bytes` the length of the log.

    Raises RunError where it cannot be written.
    """
    here = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    known = {"format": FORMAT, "position": position, "log_bytes": log_bytes, "sha256": _digest(here)}
    write_safetensors(path, here, {"gpk": json.dumps(known)})


def read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and position as last saved; raises RunError where the file is damaged or another version's."""
    try:
        tensors, metadata = read_safetensors(path)
    except WeightsError as error:
        raise _unreadable(path, error) from error
    known = _known(path, metadata)
    if known["sha256"] != _digest(tensors):
        raise RunError(f"{path} is damaged: its numbers are not those that were saved: {START_OVER}")
    return tensors, known["position"]


def logged_bytes(path: Path) -> int:
    """How long the log was when the state at `path` was saved; raises RunError as `read_state` does."""
    try:
        return _known(path, read_metadata(path))["log_bytes"]
    except WeightsError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: WeightsError) -> RunError:
    if isinstance(error.__cause__, SafetensorError | None) and path.is_file():
        return RunError(f"{path} is damaged or cut short: {START_OVER}")
    return RunError(f"{error}: mend that, or give another --out")


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _known(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    try:
        known = parse_json(metadata["gpk"], Budget(str(path), RunError))
        kinds = (known["format"], *(type(known[name]) for name in ("position", "log_bytes", "sha256")))
    except (KeyError, TypeError, ValueError):
        known, kinds = {}, ()
    if kinds != (FORMAT, dict, int, str) or known["log_bytes"] < 0:
        raise RunError(f"{path} is no state that this version of gpk can resume: {START_OVER}")
    return known
