"""The embedded prior: its size, and the supervised loss that distils the procedural cats into it.

A GAN's adversary would need days of a GPU. Here noise already *means* a cat (`parameters.from_noise`), so the
generator regresses the picture and the depth of exactly the cat and the camera that it was given: minutes to hours of
one small CPU.

Loss = final + raw + coarse + edges + depth, each a mean absolute difference: of the final picture, of the raw one
before super-resolution, of both after a 4 x 4 average (colour and place before detail), of their finite differences
(sharpness), and of the depth. The face counts more: a weight of up to 1 + FACE around the projected eyes, nose and
mouth, which are few pixels.

Shapes: B batch, R image side, r side before super-resolution.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from corekit.camera import Camera
from corekit.generator import Render
from gpk_checkpoints.cards import read_cards
from gpk_eg3d.config import from_mapping
from gpk_minicat import field
from gpk_minicat.parameters import columns
from gpk_minicat.pictures import Batch
from gpk_minicat.render import FAR

CONFIG = from_mapping(read_cards(Path(__file__).with_name("cards.yaml"))[0].config)
"""The card's: what is trained is what the card builds."""
FACE = 3.0
WEIGHTS = {"final": 1.0, "raw": 0.5, "coarse": 0.5, "edges": 0.5, "depth": 1.0}


def loss(render: Render, batch: Batch, weight: Tensor) -> dict[str, Tensor]:
    """The terms by name, weighted already; their sum is the loss. `weight` [B, 1, R, R] says what counts more."""
    photo, half = batch.photo.image, F.avg_pool2d(batch.photo.image, 2)
    assert render.raw is not None
    assert render.depth is not None
    small = F.avg_pool2d(weight, 2)
    off = render.image - photo
    terms = {
        "final": (weight * off.abs()).mean(),
        "raw": (small * (render.raw - half).abs()).mean(),
        "coarse": F.avg_pool2d(off, 4).abs().mean() + F.avg_pool2d(render.raw - half, 4).abs().mean(),
        "edges": (weight[..., 1:] * off.diff(dim=3).abs()).mean() + (weight[:, :, 1:] * off.diff(dim=2).abs()).mean(),
        # The last interval ends a little behind FAR; only what lies in front of it is wrong.
        "depth": (render.depth.clamp_max(FAR) - batch.photo.depth).abs().mean(),
    }
    return {name: WEIGHTS[name] * value for name, value in terms.items()}


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
