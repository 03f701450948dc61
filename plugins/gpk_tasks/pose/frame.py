r"""Where in a photo the generator's own picture of the subject is: a similarity of the picture plane beside the camera.

    q = exp(-size) rot(-roll) (p - (right, down))

takes a place p in the photo to the place q of the generator's picture that shows the same, both from the middle and in
sides of their pictures. A pinhole camera sees a place in the direction place / focal, so such a photo is what a camera
sees that is rolled about its axis, of a focal length exp(size) times as long and with its principal point moved by
(right, down): no picture is resampled, nothing is missing at an edge, and the rays tell the gradient.

Shapes: B frames.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from gpk.camera import Camera
from gpk.framing import Square

SPREAD = (0.015, 0.015, 0.035, 0.045)
"""How far a finder's squares are off, standard deviations of `right` and `down` in sides, of the logarithm `size` and
of `roll` in radians: those of `minicat-finder` in its examination."""


def seen_through(camera: Camera, frames: Tensor) -> Camera:
    """The cameras [B] that see whole photos with these frames [B, 4], where `camera` sees what the generator's own
    pictures show.
    """
    right, down, size, roll = frames.unbind(1)
    cos, sin, none, one = roll.cos(), roll.sin(), torch.zeros_like(roll), torch.ones_like(roll)
    turn = torch.stack([cos, sin, none, -sin, cos, none, none, none, one], 1).unflatten(1, (3, 3))
    pose = torch.cat([torch.cat([camera.pose[:, :3, :3] @ turn, camera.pose[:, :3, 3:]], 2), camera.pose[:, 3:]], 1)
    focal = torch.stack([size.exp(), size.exp(), one], 1)
    moved = torch.stack([right, down, none], 1)
    intrinsics = torch.cat(
        [camera.intrinsics[:, :, :2] * focal[:, :, None], camera.intrinsics[:, :, 2:] + moved[:, :, None]], 2
    )
    return Camera(pose, intrinsics)


def reframed(square: Square, frame: tuple[float, float, float, float]) -> Square:
    """The square of a photograph that the generator's own picture shows, where a crop of `square` has this frame.

    >>> reframed(Square(100, 50, 10), (0.1, -0.2, 0.0, 0.0))
    Square(x=101.0, y=48.0, side=10.0, roll=0.0)
    """
    right, down, size, roll = frame
    moved = square.moved(right, down)
    return replace(moved, side=square.side * math.exp(size), roll=square.roll + math.degrees(roll))
