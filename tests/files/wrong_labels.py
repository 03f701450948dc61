"""Camera labels wrong in the ways people get them wrong, made of right ones: importable by every test."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from gpk.camera import EG3D_FOCAL, Camera

FACE = (0.0, 0.0, 0.2)
"""Where cameras of EG3D's faces look."""
Y_TO_Z = torch.tensor([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
OPENGL = torch.diag(torch.tensor([1.0, -1, -1, 1]))


class Faces:
    """What a generator of faces tells of its cameras."""

    def orbit(self, yaw: Tensor | float = 0.0, pitch: Tensor | float = 0.0) -> Camera:
        """Around the head, as EG3D's do."""
        return Camera.orbit(yaw, pitch, pivot=FACE)


def right(count: int, seed: int = 5, wide: float = 0.6) -> Tensor:
    """Labels [count, 25] of cameras around a face, up to `wide` radians aside."""
    rng = torch.Generator().manual_seed(seed)
    yaw, pitch = (torch.rand(2, count, generator=rng) * 2 - 1) * torch.tensor([[wide], [0.3]])
    return Camera.orbit(yaw, pitch, pivot=FACE).label()


def _pose(change: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda labels: torch.cat([change(labels[:, :16].reshape(-1, 4, 4)).flatten(1), labels[:, 16:]], 1)


def _at(scale: float = 1.0, move: float = 0.0) -> Callable[[Tensor], Tensor]:
    def change(pose: Tensor) -> Tensor:
        pose = pose.clone()
        pose[:, :3, 3] = pose[:, :3, 3] * scale + torch.tensor([0.0, move, 0.0])
        return pose

    return _pose(change)


def _flipped(pose: Tensor) -> Tensor:
    pose = pose.clone()
    pose[:, :3, 1:] *= -1
    return pose


def _intrinsics(focal: float, centre: float) -> Callable[[Tensor], Tensor]:
    numbers = torch.tensor([focal, 0.0, centre, 0.0, focal, centre, 0.0, 0.0, 1.0])
    return lambda labels: torch.cat([labels[:, :16], numbers.expand(len(labels), 9)], 1)


WRONG: dict[str, tuple[Callable[[Tensor], Tensor], str, str]] = {
    "OpenGL axes": (_pose(lambda pose: pose @ OPENGL), "looks away from the world's origin: negate", "opengl"),
    "world to camera": (_pose(torch.linalg.inv), "stands where all others do", "w2c"),
    "transposed": (_pose(lambda pose: pose.mT), "last row is not 0, 0, 0, 1", "transposed"),
    "units of a hundredth": (_at(scale=100), r"too near or too far \(270, and this generator's 2.7\)", "scale=0.01"),
    "units of two": (_at(scale=0.5), r"too near or too far \(1.35,", "scale=2"),
    "signs flipped": (_pose(_flipped), "is upside down", "flipped"),
    "z up": (_pose(lambda pose: Y_TO_Z @ pose), "looks from right above or below", "z-up"),
    "origin at the floor": (_at(move=1.6), "does not look at the subject: add to the pose's translation", "move="),
    "degrees across the diagonal": (
        _intrinsics(18.837, 0.5),
        r"another focal length \(18.8, and this generator's 4.26\)",
        "diagonal-fov",
    ),
    "degrees across the side": (_intrinsics(math.degrees(2 * math.atan(0.5 / EG3D_FOCAL)), 0.5), "focal length", "fov"),
    "half sides": (_intrinsics(2 * EG3D_FOCAL, 0.0), "another focal length .*: halve the intrinsics", "half-sides"),
    "pixels": (_intrinsics(512 * EG3D_FOCAL, 256.0), "the intrinsics look like pixels: divide", "pixels=512"),
    "OpenGL axes, z up": (_pose(lambda pose: Y_TO_Z @ pose @ OPENGL), "looks away", "opengl+z-up"),
    "world to camera, OpenGL axes": (_pose(lambda pose: torch.linalg.inv(pose @ OPENGL)), "stands where", "w2c+opengl"),
}
"""By the mistake: how it is made, what gpk says, and the turn that it names."""
