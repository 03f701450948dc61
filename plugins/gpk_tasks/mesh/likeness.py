r"""A mesh beside the generator's own picture of what it is a mesh of: how they look, and how far they are apart.

What is shown and measured is the triangles, not the field that they come from.

Shapes: V vertices, n pictures, R image side, r side of the raw picture and the depth.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from gpk.album import resize
from gpk.camera import Camera
from gpk.generator import Render
from gpk_runs.raster import rasterized
from gpk_runs.surface import Surface
from gpk_tasks.views import greys

TURNS = {"front": 0.0, "three quarters": 0.7, "side": math.pi / 2}
"""From where a mesh is shown, in radians of yaw."""
SIDE = 256
"""Pixels of a picture."""
PAPER = 0.97
"""What is behind it."""
LAMP = (-0.4, -0.6, -1.0)
"""Where the light of the shape comes from, as the camera sees it: left, above, behind it."""


class Apart(NamedTuple):
    """How far a mesh is from the generator's render where both show it: the median difference of depth in world units,
    and the mean one of colour to the raw picture, of 1 between black and white. Not a number where nothing is seen.
    """

    off_in_depth: float
    off_in_colour: float


def apart(surface: Surface, colours: Tensor, front: Render, camera: Camera) -> Apart:
    """The surface with `colours` [V, 3] in [-1, 1] against a render of the same from the same `camera`.

    A depth behind the whole surface is the background's and counts for nothing.
    """
    assert front.depth is not None
    depth = front.depth[0].float().cpu()
    values = torch.cat([surface.vertices - camera.pose[0, :3, 3].to(surface.vertices), colours], 1)
    mixed, there = rasterized(surface.vertices, surface.faces, values, camera, depth.shape[-1])
    there &= depth < values[:, :3].norm(dim=1).max()
    if not there.any():
        return Apart(math.nan, math.nan)
    raw = resize((front.image if front.raw is None else front.raw).float(), depth.shape[-1])[0].cpu()
    off_in_depth = (mixed[:3].norm(dim=0, keepdim=True) - depth).abs()
    off_in_colour = (mixed[3:] - raw).abs().mean(0, keepdim=True) / 2
    return Apart(off_in_depth[there].median().item(), off_in_colour[there].mean().item())


def portraits(surface: Surface, colours: Tensor, front: Render, cameras: Camera) -> Tensor:
    """Pictures [n, 3, R, R] in [-1, 1]: the generator's own and the mesh from each of the `cameras`; then the
    generator's depth and the mesh's shape in grey, from each again.
    """
    values = torch.cat([colours, surface.normals], 1)
    rows: tuple[list[Tensor], list[Tensor]] = ([], [])
    for camera in (cameras[i] for i in range(len(cameras))):
        mixed, there = rasterized(surface.vertices, surface.faces, values, camera, 2 * SIDE)
        light = F.normalize(camera.pose[0, :3, :3].to(values) @ values.new_tensor(LAMP), dim=0)
        shade = (F.normalize(mixed[3:], dim=0) * light[:, None, None]).sum(0).clamp_min(0)
        for row, picture in zip(rows, (mixed[:3], (1.6 * shade - 0.8).expand(3, -1, -1)), strict=True):
            row.append(resize(torch.where(there, picture, PAPER)[None], SIDE))
    assert front.depth is not None
    flat = greys(front.depth.float().cpu()).expand(-1, 3, -1, -1)
    own = (resize(picture, SIDE) for picture in (front.image.float().cpu(), flat))
    return torch.cat([next(own), *rows[0], next(own), *rows[1]])
