r"""What a camera sees of a surface of triangles: a z-buffer, in place of a graphics card.

A pixel centre p is in a triangle with corners a, b, c on the image where its barycentric coordinates

    beta_a = cross(c - b, p - b) / cross(b - a, c - a)   and so on

are all at least 0. With the corners' distances z in front of the camera, 1/z = sum of beta/z, and what the corners
have is mixed by the shares (beta/z) / (1/z). Every pair of a triangle and a pixel of its bounding box is looked at, a
million at once; a pixel's nearest triangle is the least of numbers whose upper half is the distance and whose lower
half is the triangle.

Shapes: V vertices, F triangles, C numbers of a vertex, P pairs, R image side.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from gpk.camera import Camera

AT_ONCE = 1 << 20
"""Pairs of a triangle and a pixel that are looked at together."""
FINENESS = 1 << 24
"""Steps of distance in a world unit."""
ROUNDING = 1e-5
"""So far outside a pixel is in a triangle yet: none falls between two."""
NOTHING = 2**63 - 1
"""What stands for a pixel without a triangle."""


def rasterized(vertices: Tensor, faces: Tensor, values: Tensor, camera: Camera, side: int) -> tuple[Tensor, Tensor]:
    """What `camera`, a single one, sees of `faces` [F, 3] between `vertices` [V, 3]: `values` [V, C] as a picture
    [C, R, R], and where there is anything, [1, R, R].

    All corners have to be in front of the camera, within 100 units. Triangles are seen from the side from which their
    corners run counterclockwise: of a closed surface all that are not hidden.
    """
    k = camera.intrinsics[0].to(vertices)
    in_camera = (vertices - camera.pose[0, :3, 3].to(vertices)) @ camera.pose[0, :3, :3].to(vertices)
    z = in_camera[:, 2]
    corners = ((in_camera @ k.mT)[:, :2] / z[:, None] * side)[faces]
    nearest = torch.full((side * side,), NOTHING)
    for pixels, triangles in _pairs(corners, side):
        shares = _barycentric(pixels, corners[triangles])
        inside = (shares >= -ROUNDING).all(1)
        distance = 1 / (shares / z[faces[triangles]])[inside].sum(1)
        x, y = pixels[inside].unbind(1)
        nearest.scatter_reduce_(0, y * side + x, (distance * FINENESS).long() << 32 | triangles[inside], "amin")
    there = nearest != NOTHING
    place = there.nonzero()[:, 0]
    face = nearest[place] & 0xFFFFFFFF
    shares = _barycentric(torch.stack([place % side, place // side], 1), corners[face]) / z[faces[face]]
    picture = values.new_zeros(side * side, values.shape[1])
    picture[place] = (shares[:, :, None] * values[faces[face]]).sum(1) / shares.sum(1, keepdim=True)
    return picture.mT.unflatten(1, (side, side)), there.view(1, side, side)


def _pairs(corners: Tensor, side: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The pixels (x, y) [P, 2] in the bounding boxes of the triangles that face the camera, and the triangles [P]."""
    (x, y), (u, v) = ((corners[:, i] - corners[:, 0]).unbind(1) for i in (1, 2))
    first = (corners.amin(1) - 0.5).ceil().clamp(0, side).long()
    size = ((corners.amax(1) - 0.5).floor().clamp(-1, side - 1).long() - first + 1).clamp_min(0)
    count = size.prod(1) * (x * v < y * u)  # the picture's y goes down
    some = count.nonzero()[:, 0]
    together = torch.unique_consecutive(count[some].cumsum(0) // AT_ONCE, return_counts=True)[1].tolist()
    for group in some.split(together):
        triangles = group.repeat_interleave(count[group])
        begin = (count[group].cumsum(0) - count[group]).repeat_interleave(count[group])
        place, width = torch.arange(len(triangles)) - begin, size[triangles, 0]
        yield first[triangles] + torch.stack([place % width, place // width], 1), triangles


def _barycentric(pixels: Tensor, corners: Tensor) -> Tensor:
    """Coordinates [P, 3] of pixel centres [P, 2] in triangles [P, 3, 2]; not finite for one without an area."""
    spokes = corners - (pixels[:, None] + 0.5)
    after, before = spokes.roll(-1, 1), spokes.roll(-2, 1)
    opposite = after[..., 0] * before[..., 1] - after[..., 1] * before[..., 0]
    return opposite / opposite.sum(1, keepdim=True)
