"""The frames of a video as files: those that are there when work is stopped are not made again.

The state of a run would be written anew every few seconds with all of them, half a gigabyte for 600 frames of 512
pixels. So every frame is a lossless PNG of its own, in the generator's own size, and its depth, where that is wanted, a
safetensors file beside it. The depth comes first: where the picture is, the frame is whole.

Shapes: F frames, R image side, r side of depth.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gpk.generator import Render
from gpk_checkpoints.files import read_safetensors, write_safetensors
from gpk_photos.decode import read_image
from gpk_runs.pictures import write_picture


@dataclass(frozen=True)
class Reel:
    """`count` frames of one subject in `folder`, with their depths where `depth` says so."""

    folder: Path
    count: int
    depth: bool

    def missing(self) -> list[int]:
        """The frames that are still to be made."""
        return [index for index in range(self.count) if not self._file(index, "png").exists()]

    def add(self, index: int, render: Render) -> None:
        """Keeps frame `index`, the first of the render's batch."""
        if self.depth:
            assert render.depth is not None
            write_safetensors(self._file(index, "safetensors"), {"depth": render.depth[0].float()}, {})
        write_picture(self._file(index, "png"), render.image[0])

    def picture(self, index: int) -> Tensor:
        """Frame `index` [3, R, R] in [-1, 1]."""
        return read_image(self._file(index, "png"))

    def pictures(self) -> Iterator[Tensor]:
        """All frames in turn, of which none is held."""
        return (self.picture(index) for index in range(self.count))

    def depths(self) -> Tensor:
        """Depths [F, 1, r, r] in world units."""
        files = (self._file(index, "safetensors") for index in range(self.count))
        return torch.stack([read_safetensors(file)[0]["depth"] for file in files])

    def _file(self, index: int, kind: str) -> Path:
        return self.folder / f"{index:05}.{kind}"
