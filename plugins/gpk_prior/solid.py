r"""A body, or a picture on a billboard? What depth tells, and what two views tell of each other.

A point that view b sees at the depth t lies at o_b + t d_b. If view a sees it too, then its depth there is the point's
distance from o_a, and the two colours agree: the cats' fur is matt and their lamp stands still, so a colour does not
depend on the view. Whether the views of a generator agree *through its own depth* is a question that needs no truth;
the truth tells how well 64 x 64 pixels can agree at all, and the same views through a flat depth what a billboard
would reach.

Depths are in world units along the ray. Shapes: B batch, R image side, r side of the depth, P parameters.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from gpk.camera import Camera
from gpk.metrics import psnr
from gpk_minicat import field
from gpk_minicat.parameters import columns
from gpk_minicat.render import FAR

TOUCH = 0.03
"""How near to what a view sees a point must lie to be the thing seen: a twentieth of a head."""
CAT = FAR - 0.15
"""Whatever is nearer is cat and not background: the rims, whose depth is a mixture, belong to neither."""


class Views(NamedTuple):
    """Two views of each cat: pictures [B, 3, R, R] in [-1, 1], depths [B, 1, R, R], cameras."""

    image: tuple[Tensor, Tensor]
    depth: tuple[Tensor, Tensor]
    camera: tuple[Camera, Camera]


def surface(depth: Tensor, camera: Camera) -> Tensor:
    """The world points [B, r, r, 3] that `camera` sees at `depth` [B, 1, r, r]."""
    origins, directions = camera.rays(depth.shape[-1])
    return (origins + directions * depth.flatten(1)[..., None]).unflatten(1, depth.shape[-2:])


def seen_at(points: Tensor, camera: Camera) -> tuple[Tensor, Tensor]:
    """Where `camera` sees world points [B, r, r, 3]: places [B, r, r, 2] in image sides, and distances [B, 1, r, r]."""
    apart = points - camera.pose[:, None, None, :3, 3]
    x, y, z = torch.einsum("bhwi,bij->bhwj", apart, camera.pose[:, :3, :3]).unbind(3)
    fx, fy, cx, cy, skew = (camera.intrinsics[:, i, j, None, None] for i, j in ((0, 0), (1, 1), (0, 2), (1, 2), (0, 1)))
    return torch.stack([(fx * x + skew * y) / z + cx, fy * y / z + cy], 3), apart.norm(dim=3)[:, None]


def warped(views: Views) -> tuple[Tensor, Tensor]:
    """The first view's picture as the second camera would see it, [B, 3, R, R], and where both see the same point of
    the cat, [B, 1, R, R] in {0, 1}.
    """
    places, far = seen_at(surface(views.depth[1], views.camera[1]), views.camera[0])
    grid = 2 * places - 1
    image, depth = (
        F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
        for x in (views.image[0], views.depth[0])
    )
    inside = (grid.abs() < 1).all(3)[:, None]
    same = (far - depth).abs() < TOUCH
    return image, (same & inside & (views.depth[1] < CAT) & (depth < CAT)).to(image)


def agreement(views: Views) -> dict[str, float]:
    """How well two views agree through their depth: PSNR in dB and mean absolute difference (of a range of 2) where
    both see the same point, and how much of the second view's cat that is.
    """
    image, both = warped(views)
    off = ((image - views.image[1]).abs() * both).sum() / (3 * both.sum()).clamp_min(1)
    cat = (views.depth[1] < CAT).sum().clamp_min(1)
    return {
        "psnr_db": psnr(image, views.image[1], both).mean().item(),
        "difference": off.item(),
        "visible": (both.sum() / cat).item(),
    }


def billboard(views: Views) -> Views:
    """The same pictures as if every cat were flat: it stands in the plane through its middle that faces the world's
    front, and has its own outline.
    """
    flat = []
    for depth, camera in zip(views.depth, views.camera, strict=True):
        cat = (depth < CAT).to(depth)
        points = surface(depth, camera)
        middle = (points[..., 2] * cat[:, 0]).sum((1, 2)) / cat.sum((1, 2, 3)).clamp_min(1)
        origins, directions = camera.rays(depth.shape[-1])
        plane = ((middle[:, None] - origins[..., 2]) / directions[..., 2])[:, None].unflatten(2, depth.shape[-2:])
        flat.append(torch.where(cat > 0, plane, depth))
    return views._replace(depth=(flat[0], flat[1]))


def relief(depth: Tensor, truth: Tensor, face: Tensor) -> dict[str, float]:
    """The relief of frontal faces against the true one, on `face` [B, 1, r, r] in {0, 1}; depths [B, 1, r, r].

    `spread_ratio`: standard deviation over the true one, 0 for a billboard; `correlation`: with the true relief, mean
    over cats; `own_correlation`: of that by which a cat differs from the average cat, where all faces overlap.
    """
    made, true = _centred(depth, face), _centred(truth, face)
    power, true_power, product = ((x * y).sum((1, 2, 3)) for x, y in ((made, made), (true, true), (made, true)))
    common = face.amin(0, keepdim=True)
    own, true_own = (_centred(x, common.expand_as(face)) for x in (depth, truth))
    own, true_own = own - own.mean(0), true_own - true_own.mean(0)
    scale = (own.square().sum() * true_own.square().sum()).sqrt()
    return {
        "spread_ratio": (power / true_power.clamp_min(1e-12)).sqrt().mean().item(),
        "correlation": (product / (power * true_power).clamp_min(1e-20).sqrt()).mean().item(),
        "own_correlation": ((own * true_own).sum() / scale.clamp_min(1e-12)).item(),
    }


def face_of(depth: Tensor, mask: Tensor, camera: Camera) -> Tensor:
    """Where a frontal picture shows the face and nothing but cat, [B, 1, r, r] in {0, 1}: eyes, nose, muzzle, cheeks.

    `depth` and `mask` [B, 1, r, r] are the truth's.
    """
    x, y, _ = (surface(depth, camera) / field.UNIT).unbind(3)
    oval = (x / 0.20).square() + ((y + 0.05) / 0.16).square() < 1
    return (oval[:, None] & (mask > 0.99)).to(depth)


def head_width(params: Tensor) -> Tensor:
    """The width of the heads [B] of cats [B, P] between ears and breast, in world units."""
    step = 2e-3
    across = torch.arange(0, 0.5, step, device=params.device, dtype=params.dtype)
    x, y, z = torch.meshgrid(across, across.new_tensor([-0.15, -0.1, -0.05, 0.0, 0.05]), across[:80:8], indexing="ij")
    points = field.Points(*(c.reshape(1, -1).expand(len(params), -1) for c in (x, y, z)))
    inside = field.distance(points, columns(params)).view(len(params), *x.shape) < 0
    return 2 * field.UNIT * step * inside.any(3).any(2).sum(1)


def _centred(depth: Tensor, face: Tensor) -> Tensor:
    """`depth` less its mean over the face, and 0 elsewhere."""
    mean = (depth * face).sum((1, 2, 3), keepdim=True) / face.sum((1, 2, 3), keepdim=True).clamp_min(1)
    return (depth - mean) * face
