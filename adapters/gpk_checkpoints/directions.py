"""Directions of latent space as files: our own as safetensors, and those that others publish, read as
`gpk_checkpoints.arrays` does.

A published file holds one array [D], [1, D], [L, D] or [1, L, D], and rarely says of which checkpoint: that is up to
whoever uses it. Ours have the header `gpk` beside it: the attribute, the base, how the direction was learned.

Shapes: L latent layers, D latent width.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from gpk.directions import Direction
from gpk.errors import WeightsError
from gpk_checkpoints.arrays import Array, read_array
from gpk_checkpoints.files import write_safetensors
from gpk_checkpoints.personas import compact

FORMAT = "gpk-direction/1"
"""What a direction's header calls its format."""
MOST = 2**26
"""Bytes of a file; a direction for each of 18 layers of 512 has 36,864."""
WANTED = "a direction, [D], [1, D], [L, D] or [1, L, D]"
NAMES = ("direction", "boundary", "w")
"""What its array is called where it is not alone."""


def write_direction(path: Path, direction: Direction) -> None:
    """Replaces the file at `path`, whole or not at all; raises RunError where it cannot be written."""
    header = {"format": FORMAT, "attribute": direction.attribute, "base": direction.base, **direction.facts}
    write_safetensors(path, {"direction": direction.d}, {"gpk": compact(header)})


def read_direction(path: Path) -> Direction:
    """The direction in the file at `path`, in float32; one that is not ours has no base, and the file's name for its
    attribute.

    Raises WeightsError, which names the file, where it is missing, damaged, a program, or holds no direction.
    """
    if path.is_file() and path.stat().st_size > MOST:
        raise WeightsError(f"{path} is too large for a direction: give the file of one")
    found = read_array(path, wanted=WANTED, own=FORMAT, names=NAMES)
    header = found.header
    facts = {name: value for name, value in header.items() if name not in ("format", "attribute", "base")}
    return Direction(_checked(found), str(header.get("attribute", path.stem)), str(header.get("base", "")), facts)


def _checked(found: Array) -> Tensor:
    """The direction [1, D] or [L, D] that the array is."""
    array = found.values
    d = array[0] if array.ndim == 3 and len(array) == 1 else array[None] if array.ndim == 1 else array
    if d.ndim != 2 or not d.numel():
        raise found.refused(line="[0]" if array.ndim > 2 and array.numel() else None)
    if not d.any():
        raise found.refused(", all of it zero, which is no direction: get it anew")
    return d.contiguous()
