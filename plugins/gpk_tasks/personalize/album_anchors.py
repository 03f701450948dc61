"""Anchors of an album whose photos nobody has to look at again: the codes beside them, and the cameras in its labels.

    FOLDER/img00000000.png, img00000000_latent.npy, dataset.json        as My3DGen learns from them

Shapes: N codes, L latent layers, D latent width.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import NamedTuple

import torch
from torch import Tensor

from gpk.errors import AlbumError
from gpk.generator import Generator
from gpk.plugin import Backend
from gpk_photos.labels import LABEL_FILE, read_labels
from gpk_tasks.personalize.anchors import MARK, code_files, gathered, plain


class AlbumAnchors(NamedTuple):
    """Codes [N, D], or [N, L, D] where layers differ, the labels [N, 25] of their photos' cameras, [N, 0] in 2D, and
    how many of these are known.
    """

    codes: Tensor
    cameras: Tensor
    labelled: int


def album_anchors(backend: Backend, generator: Generator, folder: Path, labels_as: str | None = None) -> AlbumAnchors:
    """The codes of every photo in `folder`, by their names; a photo without a label is seen from the front;
    labels are turned as `labels_as` says.

    Raises InputError, which names the folder or the file, where there are none, one is no code of this generator, or a
    label is none.
    """
    if not folder.is_dir():
        raise AlbumError(f"{folder} is no folder: give the one that holds the photos' codes, NAME{MARK}.npy")
    names = [name for name in code_files(folder) if PurePosixPath(name).stem.endswith(MARK)]
    if not names:
        raise AlbumError(f"{folder} holds no codes of photos: those of NAME.png are in NAME{MARK}.npy")
    codes = plain(gathered(backend, generator.latent, {name: folder / name for name in names}))
    front = generator.frontal()
    if front is None:
        return AlbumAnchors(codes, codes.new_zeros(len(codes), 0), 0)
    labels = read_labels(folder, labels_as) if (folder / LABEL_FILE).is_file() else {}
    by_photo = {str(PurePosixPath(photo).with_suffix("")): label for photo, label in labels.items()}
    known = [by_photo.get(str(PurePosixPath(name).with_suffix("")).removesuffix(MARK)) for name in names]
    straight = front.label()[0].float().cpu()
    cameras = torch.stack([straight if label is None else label for label in known])
    return AlbumAnchors(codes, cameras, sum(label is not None for label in known))
