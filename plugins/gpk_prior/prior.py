"""What an embedded prior is to its trainer, and the part of the supervised loss that all of them share.

A GAN's adversary would need days of a GPU. Here noise already *means* a cat (`parameters.from_noise`), so the
generator regresses the picture of exactly the cat and the camera that it was given: minutes to hours of one small CPU.

Of a picture count: its mean absolute difference (final), the same after a 4 x 4 average (coarse: colour and place
before detail), and that of its finite differences (edges: sharpness). The face counts more: a weight of up to 1 + FACE
around the projected eyes, nose and mouth, which are few pixels.

Shapes: B batch, Z noise, K meanings, R image side.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from gpk.camera import Camera
from gpk.generator import Generator, Render
from gpk.plugin import Card
from gpk_eg3d.config import EG3DConfig
from gpk_minicat import field, gpk_backends
from gpk_minicat.parameters import PARAMETERS, PRIOR, columns, from_noise
from gpk_prior.pictures import Batch
from gpk_stylegan2.config import StyleGAN2Config

FACE = 3.0


class Prior(abc.ABC):
    """Which generator is trained, what its noise means, what it is shown and what counts as wrong. Abstract, without
    state; every subclass is final.

    What is trained is what the card builds. `state` names the state file in a work folder: priors can share one.
    """

    card: ClassVar[Card]
    config: ClassVar[EG3DConfig | StyleGAN2Config]
    state: ClassVar[str]
    meanings: ClassVar[Mapping[str, tuple[str, ...]]]
    """The names of the numbers of z, in their order, by what they belong to."""

    @abc.abstractmethod
    def build(self) -> Generator:
        """The generator, randomly initialised."""

    @abc.abstractmethod
    def noise(self, batch: Batch) -> Tensor:
        """The noise z [B, Z] that means the pictures of the batch."""

    @abc.abstractmethod
    def meaning(self, z: Tensor) -> Tensor:
        """What z means, [B, K], each number in its own range from -1 to 1."""

    @abc.abstractmethod
    def show(self, generator: Generator, z: Tensor, camera: Camera, *, bfloat16: bool = False) -> Render:
        """The generator's picture in float32, its convolutions in bfloat16 where asked for."""

    @abc.abstractmethod
    def loss(self, render: Render, batch: Batch, weight: Tensor) -> dict[str, Tensor]:
        """The terms by name, weighted already; their sum is the loss. `weight` [B, 1, R, R] says what counts more."""


def card_named(name: str) -> Card:
    """The embedded card of that name."""
    return next(card for backend in gpk_backends() for card in backend.cards if card.name == name)


def cat_meaning(z: Tensor) -> Tensor:
    """The cat's parameters [B, K] that noise z [B, Z] means, each in its own range from -1 to 1."""
    prior = [parameter for parameter in PARAMETERS if parameter.kind != "trait"]
    low, high = (z.new_tensor([getattr(p, key) for p in prior]) for key in ("low", "high"))
    return (from_noise(z)[:, : len(PRIOR)] - low) / (high - low) * 2 - 1


def picture_terms(image: Tensor, photo: Tensor, weight: Tensor) -> dict[str, Tensor]:
    """final, coarse and edges of a picture [B, 3, R, R], not yet weighted against each other."""
    off = image - photo
    return {
        "final": (weight * off.abs()).mean(),
        "coarse": F.avg_pool2d(off, 4).abs().mean(),
        "edges": (weight[..., 1:] * off.diff(dim=3).abs()).mean() + (weight[:, :, 1:] * off.diff(dim=2).abs()).mean(),
    }


def face_weight(params: Tensor, camera: Camera, size: int) -> Tensor:
    """The weight [B, 1, R, R]: 1, and up to 1 + FACE around the eyes, the nose and the mouth as they are seen."""
    cat = columns(params)
    eye, zero = field.eye(cat), torch.zeros_like(params[:, :1])
    front = torch.cat(
        [eye.z + 0.8 * eye.radius, eye.z + 0.8 * eye.radius, zero + 0.24 + cat["muzzle"], zero + 0.22 + cat["muzzle"]],
        1,
    )
    across = torch.cat([eye.x, -eye.x, zero, zero], 1)
    up = torch.cat([zero + eye.y, zero + eye.y, zero - 0.08, zero - 0.145], 1)
    places = torch.stack([across, up, front], 2) * field.UNIT  # [B, 4, 3]
    seen = (places - camera.pose[:, None, :3, 3]) @ camera.pose[:, :3, :3]
    x, y = (
        seen[..., i] / seen[..., 2] * camera.intrinsics[:, None, i, i] + camera.intrinsics[:, None, i, 2]
        for i in (0, 1)
    )
    grid = (torch.arange(size, device=params.device, dtype=params.dtype) + 0.5) / size
    far = (grid - x[..., None])[:, :, None] ** 2 + (grid - y[..., None])[..., None] ** 2
    return 1 + FACE * torch.exp(-far / (2 * 0.055**2)).amax(1, keepdim=True)
