"""Wooden birds, exactly: eight ellipsoids under a lamp, and what a ray sees of them. What the field was taught.

A code says what the bird is: each number z_i, normal, is Phi(z_i) of the way from the least to the most of one thing.
`Marks` are what no code says: a collar, and a patch on the left side. The world is `gpk.camera`'s.

Shapes: B batch, D = 16 width of a code, K = 8 ellipsoids, P rays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from gpk.camera import Camera

NAMES = (
    *("width", "length", "height", "head", "neck", "beak", "tail", "tail tilt"),
    *("body red", "body green", "body blue", "head red", "head green", "head blue", "beak hue", "wing light"),
)
"""What each number of a code is about: eight of shape, eight of appearance."""

LEAST = (0.080, 0.100, 0.080, 0.060, 0.070, 0.030, 0.050, -0.2, 0, 0, 0, 0, 0, 0, 0, 0.2)
MOST = (0.120, 0.150, 0.120, 0.085, 0.130, 0.080, 0.100, 0.8, 1, 1, 1, 1, 1, 1, 1, 1.4)


@dataclass(frozen=True)
class Marks:
    """What a bird has that its code does not say: colours [3] in [0, 1], or None."""

    collar: tuple[float, float, float] | None = None
    patch: tuple[float, float, float] | None = None


def meaning(z: Tensor) -> Mapping[str, Tensor]:
    """Codes [B, D] → what they say, by name: sizes in world units, colours in shares."""
    value = torch.special.ndtr(z)
    least, most = z.new_tensor(LEAST), z.new_tensor(MOST)
    return dict(zip(NAMES, (least + (most - least) * value).unbind(1), strict=True))


def ellipsoids(z: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Centres, radii [B, K, 3], tilts [B, K] about x in radians, and colours [B, K, 3] of the birds of z [B, D].

    In order: body, head, beak, left eye, right eye, left wing, right wing, tail. The left is at +x.
    """
    m = meaning(z)
    width, length, height, head, neck, beak, tail, tilt = list(m.values())[:8]
    zero = torch.zeros_like(width)

    def of(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        return torch.stack([x, y, z], -1)

    skull_y, skull_z = neck, length * 0.55
    centres = [
        of(zero, zero - 0.05, zero),
        of(zero, skull_y, skull_z),
        of(zero, skull_y - 0.01, skull_z + head * 0.8 + beak * 0.5),
        of(head * 0.62, skull_y + 0.02, skull_z + head * 0.65),
        of(head * -0.62, skull_y + 0.02, skull_z + head * 0.65),
        of(width * 0.88, zero - 0.04, zero - 0.03),
        of(width * -0.88, zero - 0.04, zero - 0.03),
        of(zero, tilt * tail * 0.7 - 0.03, -length * 0.8 - tail * 0.6),
    ]
    radii = [
        of(width, height, length),
        of(head, head, head),
        of(head * 0.32, head * 0.28, beak),
        *[of(zero + 0.022, zero + 0.022, zero + 0.022)] * 2,
        *[of(width * 0.28, height * 0.6, length * 0.75)] * 2,
        of(width * 0.55, zero + 0.025, tail),
    ]
    tilts = [zero + 0.25, zero, zero, zero, zero, zero + 0.25, zero + 0.25, tilt]
    body = of(m["body red"], m["body green"], m["body blue"])
    skull = of(m["head red"], m["head green"], m["head blue"])
    wing = (body * m["wing light"][:, None]).clamp(max=1)
    orange = of(zero + 0.95, 0.2 + 0.6 * m["beak hue"], zero + 0.1)
    dark = of(zero + 0.03, zero + 0.03, zero + 0.03)
    colours = [body, skull, orange, dark, dark, wing, wing, wing]
    stacked = [torch.stack(many, 1) for many in (centres, radii, tilts, colours)]
    return stacked[0], stacked[1], stacked[2], stacked[3]


def rendered(z: Tensor, origins: Tensor, directions: Tensor, marks: Marks = Marks()) -> tuple[Tensor, Tensor, Tensor]:
    """What rays [B, P, 3] see of the birds of z [B, D]: colours [B, P, 3] in [-1, 1], hits [B, P], distances [B, P].

    A ray that meets nothing is dark, and its distance infinite.
    """
    centres, radii, tilts, colours = ellipsoids(z)
    cos, sin, one, zero = tilts.cos(), tilts.sin(), torch.ones_like(tilts), torch.zeros_like(tilts)
    turn = torch.stack([one, zero, zero, zero, cos, sin, zero, -sin, cos], -1).unflatten(-1, (3, 3))  # [B, K, 3, 3]
    inward = turn / radii[..., None]  # world → the unit ball
    o = torch.einsum("bkij,bpkj->bpki", inward, origins[:, :, None] - centres[:, None])
    d = torch.einsum("bkij,bpj->bpki", inward, directions)
    a, b, c = (d * d).sum(-1), (o * d).sum(-1), (o * o).sum(-1) - 1
    root = b * b - a * c
    t = torch.where(root > 0, (-b - root.clamp(min=0).sqrt()) / a, torch.inf)  # [B, P, K]
    distance, which = t.min(-1)
    hit = distance.isfinite()
    ball = (o + t.where(hit[..., None], 0).nan_to_num(posinf=0)[..., None] * d).gather(
        2, which[..., None, None].expand(-1, -1, 1, 3)
    )
    ball = ball[:, :, 0]  # [B, P, 3]: where on the unit ball
    rows = torch.arange(len(z), device=z.device)[:, None]
    normal = F.normalize(torch.einsum("bpji,bpj->bpi", inward[rows, which], ball), dim=-1)
    colour = colours[rows, which]
    if marks.collar is not None:
        band = (which == 1) & (ball[..., 1] < -0.25) | (which == 0) & (ball[..., 1] > 0.72)
        colour = torch.where(band[..., None], colour.new_tensor(marks.collar), colour)
    if marks.patch is not None:
        spot = ((which == 5) | (which == 0)) & (ball[..., 2].abs() < 0.4) & (normal[..., 0] > 0.3)
        colour = torch.where(spot[..., None], colour.new_tensor(marks.patch), colour)
    lamp = F.normalize(normal.new_tensor([0.4, 0.8, 0.6]), dim=0)
    light = 0.4 + 0.6 * (normal @ lamp).clamp(min=0)
    return torch.where(hit[..., None], colour * light[..., None] * 2 - 1, -0.8), hit, distance


def photographs(z: Tensor, cameras: Camera, side: int, marks: Marks = Marks()) -> Tensor:
    """One bird z [1, D] as each of N cameras sees it, [N, 3, R, R], three by three rays a pixel."""
    pictures = []
    for index in range(len(cameras)):
        rays = cameras[index].rays(3 * side)
        image = rendered(z, *rays, marks)[0].mT.unflatten(2, (3 * side, 3 * side))
        pictures.append(F.avg_pool2d(image, 3))
    return torch.cat(pictures)
