"""Photographs of procedural cats: marching rays through the distance field.

A quarter-resolution pass marches one *cone* per block of four by four rays until the surface comes nearer than the
cone is wide; all rays of the block start there. Rays that reach the surface are painted and lit; the others see the
background, whose depth is FAR. Pictures are rendered at twice the side and averaged.

Shapes: B batch, P parameters, R image side, N = (2R)^2 rays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from gpk.camera import Camera
from gpk_minicat import field, paint
from gpk_minicat.parameters import columns

NEAR, FAR = 2.15, 3.2
BLOCK = 4
CONE_STEPS, RAY_STEPS = 20, 12
TOUCH = 1.2e-2  # most of a pixel at 64 by 64: rays that graze the cat converge slowly


class Photo(NamedTuple):
    """A finished picture [B, 3, R, R] in [-1, 1], its depth [B, 1, R, R] along the ray and the cat's share of each
    pixel.
    """

    image: Tensor
    depth: Tensor
    mask: Tensor


class Layers(NamedTuple):
    """A picture without its background: light [B, 3, R, R] in [0, 1], multiplied by the mask [B, 1, R, R]; depth [B,
    1, R, R].
    """

    cat: Tensor
    mask: Tensor
    depth: Tensor


def render(params: Tensor, camera: Camera | Tensor, size: int, *, supersample: int = 2) -> Photo:
    """The photos of the cats [B, P] by the cameras (or labels [B, 25]).

    Depth is in world units along the ray, averaged over a pixel; the background counts as FAR. The mask is in [0, 1].
    Raises ValueError when the size times the supersampling is no multiple of four.
    """
    camera = camera if isinstance(camera, Camera) else Camera.from_label(camera)
    return compose(layers(params, camera, size, supersample=supersample), params, camera)


def layers(params: Tensor, camera: Camera, size: int, *, supersample: int = 2) -> Layers:
    """The cats alone: what does not depend on the background's colour nor on the white balance."""
    return coats([params], camera, size, supersample=supersample)[0]


def coats(variants: Sequence[Tensor], camera: Camera, size: int, *, supersample: int = 2) -> list[Layers]:
    """The cats alone, of one shape and light in several paints: marched once, painted for each of the variants [B, P].

    Nine tenths of the time goes into the marching, so further coats are nearly free. The shape is the first variant's.
    """
    side = size * supersample
    if side % BLOCK:
        raise ValueError(
            f"a picture of {size} by {size} at {supersample} x supersampling cannot be cut into blocks of {BLOCK} rays"
        )
    cat = columns(variants[0])
    origins, directions = camera.rays(side)
    _, coarse = camera.rays(side // BLOCK)
    angle = BLOCK / (side * camera.intrinsics[:, 0, 0, None]) * 0.71
    points, hit, depth = _march(origins.mT, directions.mT, coarse.mT, angle, cat, side)
    normals = field.normal(points, cat)
    pool = torch.nn.functional.avg_pool2d
    behind = pool(torch.cat([hit, torch.where(hit > 0, depth, FAR)], 1).unflatten(2, (side, side)), supersample)
    painted = []
    for variant in map(columns, variants):
        colours = paint.shade(paint.colour(points, variant), normals, variant) * hit
        picture = pool(colours.unflatten(2, (side, side)), supersample)
        painted.append(Layers(cat=picture, mask=behind[:, :1], depth=behind[:, 1:]))
    return painted


def compose(picture: Layers, params: Tensor, camera: Camera) -> Photo:
    """The picture before its background and in its light's warmth: cheap, so one rendering serves many photos."""
    cat, size = columns(params), picture.mask.shape[-1]
    behind = paint.background(camera.rays(size)[1][..., 1], cat).unflatten(2, (size, size))
    light = picture.cat + (1 - picture.mask) * behind
    image = paint.white_balance(light.flatten(2), cat).view_as(light)
    return Photo(image=image * 2 - 1, depth=picture.depth, mask=picture.mask)


def _march(
    origins: Tensor, directions: Tensor, coarse: Tensor, angle: Tensor, cat: dict[str, Tensor], side: int
) -> tuple[field.Points, Tensor, Tensor]:
    """Where rays [B, 3, N] end, hits [B, 1, N] in {0, 1} and depths [B, 1, N]."""
    blocks = side // BLOCK
    start = torch.full_like(coarse[:, 0], NEAR)
    for _ in range(CONE_STEPS):
        gap = field.distance(_along(origins[:, :, :1], coarse, start), cat)
        start = (start + field.STEP * (field.UNIT * gap - angle * start).clamp_min(0)).clamp_max(FAR)
    start = start.unflatten(1, (blocks, blocks)).repeat_interleave(BLOCK, 1).repeat_interleave(BLOCK, 2).flatten(1)
    gap = start
    for _ in range(RAY_STEPS):
        gap = field.distance(_along(origins, directions, start), cat)
        start = start + field.STEP * field.UNIT * gap
    points = _along(origins, directions, start)
    hit = ((gap.abs() < TOUCH) & (start < FAR)).to(start)
    return points, hit[:, None], start[:, None]


def _along(origins: Tensor, directions: Tensor, depth: Tensor) -> field.Points:
    x, y, z = (origins + depth[:, None] * directions).unbind(1)
    return field.Points(x / field.UNIT, y / field.UNIT, z / field.UNIT)
