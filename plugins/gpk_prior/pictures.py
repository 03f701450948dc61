"""The training pictures of the prior: shards of procedural cats, rendered once and kept in a work folder.

A shard holds the noise z, the camera labels, the cats *without* their background (premultiplied, before white
balance), the masks and the depths at half the side. Background colour and warmth are drawn anew whenever a picture is
used, so a rendered cat is seen on many backgrounds. Shard i of a seed is the same wherever and whenever it is
rendered, up to floating-point rounding.

Shapes: M pictures, Z noise, R image side.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gpk.camera import Camera
from gpk_minicat.cameras import random_cameras
from gpk_minicat.parameters import PRIOR, from_noise
from gpk_minicat.render import Layers, Photo, compose, layers
from gpk_minicat.store import load_tensors, save_tensors

SHARD, SIZE, CHUNK = 1024, 64, 32
BEHIND = ("red", "green", "blue", "warmth")


@dataclass(frozen=True)
class Batch:
    """Photos of the prior's cats with the noise [B, Z] and the cameras that made them."""

    z: Tensor
    params: Tensor
    camera: Camera
    photo: Photo


def render_shard(work: Path, seed: int, index: int, *, count: int = SHARD) -> Path:
    """Render shard `index` into the folder unless it is there already, and return its path."""
    path = work / f"cats-{seed}-{index:03d}.safetensors"
    if path.exists():
        return path
    rng = torch.Generator().manual_seed(1_000_003 * seed + index)
    z, camera = torch.randn(count, len(PRIOR), generator=rng), random_cameras(count, rng)
    params, label = from_noise(z), camera.label()
    parts = []
    with torch.no_grad():
        for i in range(0, count, CHUNK):
            parts.append(layers(params[i : i + CHUNK], camera[slice(i, i + CHUNK)], SIZE))
    cats, masks, depths = (torch.cat(column) for column in zip(*parts, strict=True))
    depths = torch.nn.functional.avg_pool2d(depths, 2).half()
    tensors = {"z": z, "label": label, "cat": bytes_of(cats), "mask": bytes_of(masks), "depth": depths}
    save_tensors(path, tensors, {"seed": seed, "index": index})
    return path


class Pictures:
    """Shards in memory, from which batches are drawn."""

    def __init__(self, paths: list[Path]) -> None:
        shards = [load_tensors(path)[0] for path in paths]
        self.z, self.label, self.cat, self.mask, self.depth = (
            torch.cat([shard[key] for shard in shards]) for key in ("z", "label", "cat", "mask", "depth")
        )

    def __len__(self) -> int:
        return len(self.z)

    def batch(self, size: int, rng: torch.Generator, *, share: slice = slice(None)) -> Batch:
        """`size` pictures drawn with replacement, on fresh backgrounds; only the `share` is made.

        What is drawn does not depend on the share, so several workers can divide one batch.
        """
        chosen = torch.randint(len(self), (size,), generator=rng)
        z, camera = self.z[chosen].clone(), Camera.from_label(self.label[chosen])
        # Only the direction of z counts, so the new background numbers keep the length of the old ones.
        behind = [PRIOR.index(name) for name in BEHIND]
        fresh = torch.nn.functional.normalize(torch.randn(size, len(BEHIND), generator=rng), dim=1)
        z[:, behind] = fresh * z[:, behind].norm(dim=1, keepdim=True)
        chosen, z, camera = chosen[share], z[share], camera[share]
        picture = Layers(self.cat[chosen].float() / 255, self.mask[chosen].float() / 255, self.depth[chosen].float())
        params = from_noise(z)
        return Batch(z, params, camera, compose(picture, params, camera))

    def tail(self, size: int) -> Batch:
        """The last `size` pictures as they were rendered, for validation."""
        z, camera = self.z[-size:], Camera.from_label(self.label[-size:])
        picture = Layers(self.cat[-size:].float() / 255, self.mask[-size:].float() / 255, self.depth[-size:].float())
        params = from_noise(z)
        return Batch(z, params, camera, compose(picture, params, camera))


def bytes_of(image: Tensor) -> Tensor:
    """An image in [0, 1] as whole numbers from 0 to 255."""
    return (image * 255).round().clamp(0, 255).to(torch.uint8)
