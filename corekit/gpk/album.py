"""An album: photographs of one subject, with their cameras where the generator is 3D.

Shapes: N photographs, R their common side in pixels, B batch, C channels.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from gpk.camera import Camera
from gpk.errors import AlbumError
from gpk.portable import resized_to


@dataclass(frozen=True)
class Album:
    """Photographs `photos` [N, 3, R, R] in [-1, 1], their file names, cameras where labelled, and what was left out.

    `left_out` pairs a file's name with the reason, for the report. `masks` [N, 1, R, R] in [0, 1] tell which share of
    each pixel is the photograph's own, where a crop went beyond its edge; None where all are. Raises AlbumError where
    shapes and names do not fit together.
    """

    photos: Tensor
    names: tuple[str, ...]
    cameras: Camera | None = None
    left_out: tuple[tuple[str, str], ...] = ()
    masks: Tensor | None = None

    def __post_init__(self) -> None:
        if self.photos.ndim != 4 or len(self.photos) != len(self.names):
            raise AlbumError(f"{len(self.names)} names for photos of shape {list(self.photos.shape)}")
        if self.cameras is not None and len(self.cameras) != len(self.names):
            raise AlbumError(f"{len(self.cameras)} cameras for {len(self.names)} photos")
        if self.masks is not None and self.masks.shape != self.photos[:, :1].shape:
            raise AlbumError(f"masks of shape {list(self.masks.shape)} for photos of shape {list(self.photos.shape)}")

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, rows: slice) -> Album:
        """Some of the photographs, without what was left out."""
        cameras = None if self.cameras is None else self.cameras[rows]
        masks = None if self.masks is None else self.masks[rows]
        return Album(self.photos[rows], self.names[rows], cameras, masks=masks)

    def resized(self, side: int) -> Album:
        """The album at another common side."""
        masks = None if self.masks is None else resize(self.masks, side)
        return Album(resize(self.photos, side), self.names, self.cameras, self.left_out, masks)

    def digest(self) -> str:
        """sha256 of the pixels, masks and cameras: tells whether the same command came with the same photos."""
        digest = hashlib.sha256(self.photos.cpu().numpy().tobytes())
        if self.masks is not None:
            digest.update(self.masks.cpu().numpy().tobytes())
        if self.cameras is not None:
            digest.update(self.cameras.label().cpu().numpy().tobytes())
        return digest.hexdigest()

    def to(self, device: torch.device | str) -> Album:
        """The album's tensors elsewhere."""
        cameras = None if self.cameras is None else self.cameras.to(device)
        masks = None if self.masks is None else self.masks.to(device)
        return Album(self.photos.to(device), self.names, cameras, self.left_out, masks)


def resize(image: Tensor, side: int) -> Tensor:
    """Images [B, C, side, side]: antialiased bilinear, the input itself where it has that side already."""
    if image.shape[-1] == side:
        return image
    return resized_to(image, side)
