"""Codes that a task is to show: a persona's anchors, or those of a file that another task or another tool wrote.

A file is read by `gpk_checkpoints.arrays`. The ones that are written here are safetensors with a tensor `w` [N, L, D],
and also tell whose generator they are for, since a code says nothing to another one.

Shapes: N codes, n chosen ones, L latent layers, D latent width.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from gpk.context import Context
from gpk.errors import InputError
from gpk.generator import LatentSpace
from gpk.latents import anchors_as_ws
from gpk.made_for import require_backend
from gpk.plugin import Backend
from gpk_checkpoints.arrays import Array, read_array
from gpk_checkpoints.files import write_safetensors

FORMAT = "gpk-codes/1"
"""Of the files that are written here, in their metadata."""


def codes_of(context: Context, file: Path | None) -> tuple[Tensor, str]:
    """The codes [N, L, D] in `file`, or the persona's anchors where None, and what one of them is called.

    Raises InputError where there is neither a file nor a persona, or the file's codes are not for this generator.
    """
    if file is not None:
        return read_codes(context, file), "code"
    if context.persona is None:
        raise InputError("which codes? Give a persona, or a file of codes with --codes")
    return context.anchors(), "anchor"


def picked(codes: Tensor, indices: Sequence[int], kind: str) -> Tensor:
    """The codes [n, L, D] of these indices, counted from 0; raises InputError for one that is not there."""
    for number in indices:
        if not 0 <= number < len(codes):
            raise InputError(f"there is no {kind} {number}: they are counted from 0, and the last is {len(codes) - 1}")
    return codes[list(indices)]


def read_codes(context: Context, file: Path, *, many: bool = False) -> Tensor:
    """The codes [N, L, D] in `file`, on the generator's device; raises InputError where they are not for it.

    An array [L, D] is one code with a row for each layer; where there must be `many`, it is L codes of W.
    """
    latent = context.generator.latent
    w = codes_in(context.backend, latent, file, many=many).to(next(context.generator.parameters()))
    return anchors_as_ws(w, latent.num_ws)


def codes_in(backend: Backend, latent: LatentSpace, file: Path, *, many: bool = False) -> Tensor:
    """The codes in `file` as it has them, [N, D] of W or [N, L, D] of W+; otherwise as `read_codes`."""
    array = read_array(file, wanted=_wanted(latent), own=FORMAT)
    require_backend(array.header, backend, what=f"{file} holds codes", error=InputError)
    return _fitted(array, latent, many=many)


def write_codes(file: Path, context: Context, tensors: Mapping[str, Tensor]) -> None:
    """Replaces `file` by the tensors, of which `w` are codes of the context's generator."""
    whose = {"format": FORMAT, "backend": context.backend.name, "card": context.card.name}
    write_safetensors(file, tensors, {"gpk": json.dumps(whose)})


def _wanted(latent: LatentSpace) -> str:
    """What a file of codes has to hold, in words."""
    layers, width = latent.num_ws, latent.w_dim
    return f"codes [N, {layers}, {width}], [N, {width}], [{layers}, {width}] or [{width}]"


def _fitted(array: Array, latent: LatentSpace, *, many: bool = False) -> Tensor:
    """The array's codes, [N, D] of W or [N, L, D] of W+.

    A matrix [L, D] is one code, a row for each layer, as others save one; with `many` it is L codes of W. [1, L, D] and
    [N, 1, D] are never in doubt. Raises WeightsError for any other shape, with the line that converts it.
    """
    values, layers, width = array.values, latent.num_ws, latent.w_dim
    shape = tuple(values.shape)
    if not values.numel() or not shape:
        raise array.refused()
    if shape == (width,) or (shape == (layers, width) and not many):
        return values[None]
    if len(shape) == 2 and shape[1] == width:
        return values
    if len(shape) == 3 and shape[2] == width and shape[1] in (1, layers):
        return values[:, 0] if shape[1] == 1 else values
    if shape[-2:] == (layers, width) or shape[-1] == layers * width:
        raise array.refused(line=f".reshape(-1, {layers}, {width})")
    if len(shape) == 2 and shape[0] == width:
        raise array.refused(line=".T")
    raise array.refused(", which is of another generator")
