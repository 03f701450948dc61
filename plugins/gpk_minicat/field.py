"""The cat's shape: a signed distance field, negative inside, in the cat's own units of UNIT world units.

Everything is folded on |x|, so one eye, ear and cheek are computed and two appear; parts melt into each other by a
smooth union (the polynomial one, after Inigo Quilez, "smooth minimum"). y is up and the face looks to +z; the head is
about 0.55 wide. Only the torn ear, a trait, looks at the sign of x.

Ellipsoids and cones give a bound rather than the exact distance, so a ray may advance by STEP times the field.

Shapes: B batch, N points.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

STEP = 0.9
UNIT = 1.08


class Points(NamedTuple):
    """Points of space in units of UNIT, each coordinate [B, N]."""

    x: Tensor
    y: Tensor
    z: Tensor


class Eye(NamedTuple):
    """Where the eye at +x sits, and its radius, each [B, 1]."""

    x: Tensor
    y: float
    z: Tensor
    radius: Tensor


class Ear(NamedTuple):
    """A point in the frame of the ear at +x: height above the base (0) to the tip (1), offset sideways and to the
    front [B, N].
    """

    along: Tensor
    side: Tensor
    front: Tensor


def eye(cat: dict[str, Tensor]) -> Eye:
    """The eye of a cat whose parameters are given by name: larger eyes lie deeper and further apart."""
    size = cat["eye_size"]
    return Eye(x=0.052 + 0.80 * size * cat["head_width"], y=0.005, z=0.214 - 0.62 * size, radius=size)


def ear(x: Tensor, p: Points, cat: dict[str, Tensor]) -> Ear:
    """The points p, with x folded already, in the frame of the ear."""
    height, spread = cat["ear_height"], cat["ear_spread"]
    lean = 0.24 * (spread - 0.65)
    up = p.y - 0.150
    along = (up + lean * (x - 0.172 * spread)) / height
    side = (x - 0.172 * spread) - lean * up
    return Ear(along, side, p.z + 0.02 + 0.10 * up)


def distance(p: Points, cat: dict[str, Tensor]) -> Tensor:
    """The signed distance [B, N] from the points to the cat."""
    x, y, z = p.x.abs(), p.y, p.z
    width, forward = cat["head_width"], cat["muzzle"]
    body = _ellipsoid(x, y, z, (0.285 * width, 0.240, 0.232))
    body = _blend(body, _ellipsoid(x - 0.165 * width, y + 0.095, z - 0.045, (0.135, 0.105, 0.135)), 0.07)
    body = _blend(body, _ears(x, p, cat), 0.035)
    bust = _ellipsoid(x, y + 0.52, z + 0.08, (0.225, 0.290, 0.165))
    body = _blend(body, bust, 0.05)
    bridge = _ellipsoid(x, y + 0.070, z - 0.150, (0.060, 0.080, 0.095 + 0.5 * forward))
    body = _blend(body, bridge, 0.04)
    puff = _ellipsoid(x - 0.040, y + 0.118, z - 0.190 - forward, (0.062, 0.048, 0.062))
    chin = _ellipsoid(x, y + 0.160 + 0.016 * cat["smile"], z - 0.165 - forward, (0.050, 0.036, 0.050))
    body = _blend(body, _blend(puff, chin, 0.02), 0.03)
    nose = _ellipsoid(x, y + 0.080, z - 0.238 - forward, (0.033, 0.021, 0.024))
    body = _blend(body, nose, 0.008)
    ball = eye(cat)
    eyeball = torch.sqrt((x - ball.x) ** 2 + (y - ball.y) ** 2 + (z - ball.z) ** 2) - ball.radius
    return torch.minimum(body, eyeball)


def normal(p: Points, cat: dict[str, Tensor], step: float = 2e-3) -> Points:
    """The unit normals at points of the surface, from four samples of the field on a tetrahedron."""
    total = None
    for sx, sy, sz in ((1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1)):
        d = distance(Points(p.x + sx * step, p.y + sy * step, p.z + sz * step), cat)
        corner = (sx * d, sy * d, sz * d)
        total = corner if total is None else tuple(a + b for a, b in zip(total, corner, strict=True))
    assert total is not None
    scale = torch.rsqrt(total[0] ** 2 + total[1] ** 2 + total[2] ** 2 + 1e-20)
    return Points(total[0] * scale, total[1] * scale, total[2] * scale)


def _ears(x: Tensor, p: Points, cat: dict[str, Tensor]) -> Tensor:
    above = ear(x, p, cat)
    along, side, front = above
    taper = 0.092 * (1.05 - along.clamp_min(0.0))
    # A cone flattened to a third, its hollow a smaller one pushed to the front.
    shell = torch.sqrt(side**2 + (2.6 * front) ** 2 + 1e-8) - taper
    hollow = torch.sqrt(side**2 + (1.7 * (front - 0.045)) ** 2 + 1e-8) - 0.82 * taper
    shell = torch.maximum(shell, -hollow)
    shell = torch.maximum(shell, ((along - 0.30).abs() - 0.70) * cat["ear_height"]) * 0.42
    # The tear cuts the tip of the cat's left ear (+x) off at a slant.
    cut = (above.along - 1 + 0.50 * cat["torn_ear"]) * cat["ear_height"] + 0.55 * above.side * cat["torn_ear"]
    return torch.where((p.x > 0) & (cat["torn_ear"] > 0), torch.maximum(shell, 0.8 * cut), shell)


def _ellipsoid(x: Tensor, y: Tensor, z: Tensor, radii: tuple[Tensor | float, Tensor | float, Tensor | float]) -> Tensor:
    a, b, c = radii
    u, v, w = x / a, y / b, z / c
    inner = torch.sqrt(u**2 + v**2 + w**2 + 1e-12)
    outer = torch.sqrt((u / a) ** 2 + (v / b) ** 2 + (w / c) ** 2 + 1e-12)
    return inner * (inner - 1) / outer


def _blend(a: Tensor, b: Tensor, width: float) -> Tensor:
    h = (width - (a - b).abs()).clamp_min(0) / width
    return torch.minimum(a, b) - 0.25 * width * h * h
