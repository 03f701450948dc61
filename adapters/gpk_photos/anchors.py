"""Codes that another program left beside the photos of an album: `<name>_latent.npy` beside `<name>.png`.

That is what My3DGen learns from: W or W+, a code a photo, and the cameras in `dataset.json`.

Shapes: N codes, L latent layers, D latent width.
"""

from __future__ import annotations

import io
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gpk.errors import AlbumError
from gpk.generator import Generator, LatentSpace
from gpk_photos.labels import LABEL_FILE, read_labels

ENDING = "_latent.npy"
MOST = 2**24
"""Bytes of one code's file; 18 layers of 512 have 36,992."""


class Anchors(NamedTuple):
    """Codes [N, D], or [N, L, D] where layers differ, the labels [N, 25] of their photos' cameras, [N, 0] in 2D, and
    how many of these are known.
    """

    codes: Tensor
    cameras: Tensor
    labelled: int


def read_anchors(folder: Path, generator: Generator) -> Anchors:
    """The codes of every photo in `folder`, as `generator` takes them, by name; a photo without a label is seen from
    the front.

    Raises AlbumError, which names the file, where there are none or one is no code of this generator, LabelError where
    a label is none.
    """
    if not folder.is_dir():
        raise AlbumError(f"{folder} is no folder: give the one that holds the photos' codes, <name>{ENDING}")
    files = sorted(file for file in folder.iterdir() if file.name.endswith(ENDING) and not file.name.startswith("."))
    if not files:
        raise AlbumError(f"{folder} holds no codes: those of My3DGen's albums are called <name>{ENDING}")
    codes = torch.cat([_code(file, generator.latent) for file in files])
    if torch.equal(codes, codes[:, :1].expand_as(codes)):
        codes = codes[:, 0].contiguous()
    front = generator.frontal()
    if front is None:
        return Anchors(codes, codes.new_zeros(len(codes), 0), 0)
    labels: dict[str, Tensor] = {}
    if (folder / LABEL_FILE).is_file():
        labels = {str(PurePosixPath(name).with_suffix("")): label for name, label in read_labels(folder).items()}
    known = [labels.get(file.name.removesuffix(ENDING)) for file in files]
    straight = front.label()[0].float().cpu()
    cameras = torch.stack([straight if label is None else label for label in known])
    return Anchors(codes, cameras, sum(label is not None for label in known))


def _code(file: Path, latent: LatentSpace) -> Tensor:
    """The code [1, L, D] in the file; one of W is the same in every layer."""
    array = _array(file)
    rows = array[0] if array.ndim == 3 and len(array) == 1 else array[None] if array.ndim == 1 else array
    if rows.ndim != 2 or rows.shape[1] != latent.w_dim or len(rows) not in (1, latent.num_ws):
        raise AlbumError(
            f"{file} is {list(array.shape)}, and no code of this generator, which is [1, {latent.num_ws}, "
            f"{latent.w_dim}], or [1, {latent.w_dim}] where all layers have the same"
        )
    if not rows.isfinite().all():
        raise AlbumError(f"{file} has numbers that are not finite: make the code anew, or take the file away")
    return rows.expand(latent.num_ws, -1)[None]


def _array(file: Path) -> Tensor:
    """The array in a .npy file, in float32, read as data alone."""
    try:
        if file.stat().st_size > MOST:
            raise AlbumError(f"{file} is larger than a code: take it away, or give another folder")
        array = np.load(io.BytesIO(file.read_bytes()), allow_pickle=False)
        if array.dtype.kind != "f":
            raise ValueError(f"its numbers are {array.dtype}")
        return torch.from_numpy(array.astype(np.float32, order="C"))
    except OSError as error:
        raise AlbumError(f"{file} cannot be read: {error.strerror or error}") from error
    except (ValueError, EOFError, TypeError) as error:
        raise AlbumError(f"{file} is no array of floating-point numbers (.npy): copy it again") from error
