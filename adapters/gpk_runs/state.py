"""The state of a run: tensors, position and the length of the log, in one file, so that a crash cannot part them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corekit.errors import RunError, WeightsError
from gpk_checkpoints.files import read_metadata, read_safetensors, write_safetensors

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = "gpk-state/1"


def write_state(path: Path, tensors: Mapping[str, Tensor], position: Mapping[str, Any], log_bytes: int) -> None:
    """Replaces the state at `path`, whole or not at all; `position` in JSON types."""
    known = {"format": FORMAT, "position": position, "log_bytes": log_bytes}
    write_safetensors(path, tensors, {"gpk": json.dumps(known)})


def read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and position as last saved; raises RunError where the file is damaged or another version's."""
    try:
        tensors, metadata = read_safetensors(path)
    except WeightsError as error:
        raise RunError(f"{error}: delete it to start this run over") from error
    return tensors, _known(path, metadata)["position"]


def logged_bytes(path: Path) -> int:
    """How long the log was when the state at `path` was saved; raises RunError as `read_state` does."""
    try:
        return int(_known(path, read_metadata(path))["log_bytes"])
    except WeightsError as error:
        raise RunError(f"{error}: delete it to start this run over") from error


def _known(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    try:
        known = json.loads(metadata["gpk"])
        whole = known["format"] == FORMAT and {"position", "log_bytes"} <= known.keys()
    except (KeyError, TypeError, ValueError):
        whole, known = False, {}
    if not whole:
        raise RunError(f"{path} is no state that this version of gpk can resume: delete it to start this run over")
    return known
