"""Named tensors in one safetensors file, with a JSON note under the metadata key "gpk"."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from gpk_checkpoints.files import read_safetensors, write_safetensors


def save_tensors(path: Path, tensors: dict[str, Tensor], note: dict[str, Any]) -> None:
    """Write the tensors and the note (any JSON value) to `path`, whole or not at all; raises RunError where it
    cannot.
    """
    write_safetensors(path, tensors, {"gpk": json.dumps(note)})


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the note of a file that `save_tensors` wrote; raises WeightsError where it is none."""
    tensors, metadata = read_safetensors(path)
    return tensors, json.loads(metadata.get("gpk", "{}"))
