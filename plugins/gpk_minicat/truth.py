"""What is true of an album of a procedural cat: where in each photo the cat is.

Shapes: N photos, P parameters, R image side.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from gpk.camera import Camera
from gpk.errors import AlbumError
from gpk_minicat.album import TRUTH
from gpk_minicat.parameters import NAMES
from gpk_minicat.render import render
from gpk_photos import read_labels


@torch.no_grad()
def read_masks(directory: Path, size: int = 64) -> dict[str, Tensor]:
    """The share [N, 1, R, R] of each pixel that the cat covers, for "train" and "held-out", in the order of the
    files' names.

    Raises AlbumError where `directory` is no album of a procedural cat.
    """
    try:
        truth = json.loads((directory / TRUTH).read_text(encoding="utf-8"))
        rows = {
            part: (sorted(truth[part]), [[truth[part][name][p] for p in NAMES] for name in sorted(truth[part])])
            for part in ("train", "held-out")
            if part in truth
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AlbumError(f"{directory} is no album that `gpk minicat album` wrote: {TRUTH} cannot be read") from error
    masks = {}
    for part, (names, values) in rows.items():
        labels = read_labels(directory / part)
        camera = Camera.from_label(torch.stack([labels[name] for name in names]))
        masks[part] = render(torch.tensor(values), camera, size).mask
    return masks
