"""The individuals of the benchmark: procedural cats with every trait that the prior has not.

Their photos' cameras, light and expressions are known, so that any photo can be taken again from where no camera stood:
the truth about a novel view, which no album of real photographs has.

Shapes: N photos, P parameters, R image side.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gpk.album import Album
from gpk.camera import Camera
from gpk.pixels import from_bytes, to_bytes
from gpk.seeding import parts, seeded
from gpk_minicat.cameras import FOCAL, random_cameras
from gpk_minicat.render import render
from gpk_minicat.traits import ALL_TRAITS, individual, photos_of

TRAIN, HELD_OUT = 24, 6
"""Photos that exist of every individual. An album of N photos is the first N."""
AT_ONCE = 8
"""Photos that are drawn together."""


@dataclass(frozen=True)
class Photos:
    """Photos [N, 3, R, R] in [-1, 1] with what they show: parameters [N, P], cameras, the cat's share of each pixel
    [N, 1, R, R].
    """

    params: Tensor
    camera: Camera
    image: Tensor
    mask: Tensor

    def __len__(self) -> int:
        return len(self.params)

    def first(self, count: int) -> Photos:
        """The first `count` of them."""
        return Photos(self.params[:count], self.camera[:count], self.image[:count], self.mask[:count])

    def album(self) -> Album:
        """The photos as a task takes them."""
        return Album(self.image, tuple(f"photo-{i:02}" for i in range(len(self))), self.camera)

    def from_view(self, yaw: float, pitch: float) -> Photos:
        """The same moments seen by one other camera, in radians off the frontal view."""
        camera = Camera.orbit(yaw, pitch, focal=FOCAL).expand(len(self))
        return take(self.params, camera, size=self.image.shape[-1])


@dataclass(frozen=True)
class Subject:
    """One individual: photos to learn from, and photos to judge by."""

    name: str
    train: Photos
    held_out: Photos


def subject(seed: int, index: int, *, size: int = 64) -> Subject:
    """The individual that the seed and the index determine; its photos are of `size` pixels a side."""
    rng = seeded(seed, "subject", index)
    cat = individual(rng, ALL_TRAITS)
    train, held_out = (
        take(photos_of(cat, count, rng), random_cameras(count, rng), size=size) for count in (TRAIN, HELD_OUT)
    )
    return Subject(f"cat {seed}.{index}", train, held_out)


@torch.no_grad()
def take(params: Tensor, camera: Camera, *, size: int) -> Photos:
    """The photos of cats [N, P] by the cameras, in the 8 bits a channel that a file would keep."""
    taken = [render(params[rows], camera[rows], size) for rows in parts(len(params), AT_ONCE)]
    image, mask = torch.cat([photo.image for photo in taken]), torch.cat([photo.mask for photo in taken])
    return Photos(params, camera, from_bytes(to_bytes(image)), mask)
