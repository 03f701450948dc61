r"""Cameras, in EG3D's convention.

A label is 25 numbers: 16 of the camera-to-world matrix, row-major, OpenCV axes (x right, y down, z forward), then 9 of
the intrinsics in units of the image side. The world has y up; a frontal face looks towards +z.

For angles h = pi/2 + yaw and v = pi/2 + pitch and a radius r the camera sits at

    r (sin phi cos(pi - h), cos phi, sin phi sin(pi - h)),      phi = arccos(1 - 2v/pi)

and looks at the pivot (Chan et al., 2022, arXiv 2112.07945). Yaw is exact; through the arccos a pitch of 0.25 is a real
angle of 0.16 rad. Positive yaw moves the camera to +x, negative pitch raises it.

Shapes: B batch, n image side in rays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from gpk.errors import LabelError

EG3D_FOCAL = 1 / (1.414 * math.tan(18.837 * 3.14159 / 360))
"""EG3D's focal length in image sides, 4.2634, with 1.414 and 3.14159 taken literally as its labels were made."""


@dataclass(frozen=True)
class Camera:
    """Pinhole cameras: `pose` [B, 4, 4] camera-to-world, `intrinsics` [B, 3, 3] in units of the image side.

    Raises LabelError for matrices of another shape.
    """

    pose: Tensor
    intrinsics: Tensor

    def __post_init__(self) -> None:
        if self.pose.shape[-2:] != (4, 4) or self.intrinsics.shape[-2:] != (3, 3):
            raise LabelError(
                f"a camera needs a pose [B, 4, 4] and intrinsics [B, 3, 3], "
                f"not {list(self.pose.shape)} and {list(self.intrinsics.shape)}"
            )

    def __len__(self) -> int:
        return self.pose.shape[0]

    def __getitem__(self, index: int | slice | Tensor) -> Camera:
        """The chosen cameras; a single index keeps the batch dimension."""
        chosen = slice(index, index + 1 or None) if isinstance(index, int) else index
        return Camera(self.pose[chosen], self.intrinsics[chosen])

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Camera:
        """The same cameras elsewhere."""
        return Camera(self.pose.to(device, dtype), self.intrinsics.to(device, dtype))

    def expand(self, batch: int) -> Camera:
        """One camera seen `batch` times."""
        return Camera(self.pose.expand(batch, 4, 4), self.intrinsics.expand(batch, 3, 3))

    def label(self) -> Tensor:
        """EG3D's label [B, 25]."""
        return torch.cat([self.pose.flatten(1), self.intrinsics.flatten(1)], dim=1)

    @staticmethod
    def from_label(label: Tensor) -> Camera:
        """Cameras from labels [B, 25] or [25].

        Raises LabelError where the count is not 25, a number is not finite, the upper left 3x3 is no rotation, or a
        focal length is not above 0.
        """
        label = torch.atleast_2d(label)
        if label.shape[-1] != 25:
            raise LabelError(
                f"a camera label has 25 numbers (16 of the pose, 9 of the intrinsics), not {label.shape[-1]}"
            )
        if not torch.isfinite(label).all():
            raise LabelError("a camera label has a number that is not finite")
        pose, intrinsics = label[:, :16].reshape(-1, 4, 4), label[:, 16:].reshape(-1, 3, 3)
        rotation = pose[:, :3, :3]
        gram = rotation @ rotation.mT
        if (gram - torch.eye(3, device=label.device, dtype=label.dtype)).abs().max() > 1e-2 or (
            torch.linalg.det(rotation) < 0
        ).any():
            raise LabelError("the upper left 3x3 of a camera label's pose is not a rotation")
        if (intrinsics[:, [0, 1], [0, 1]] <= 0).any():
            raise LabelError("a camera label has a focal length that is not positive")
        return Camera(pose, intrinsics)

    @staticmethod
    def orbit(
        yaw: Tensor | float,
        pitch: Tensor | float,
        *,
        radius: float = 2.7,
        pivot: tuple[float, float, float] = (0.0, 0.0, 0.0),
        focal: float = EG3D_FOCAL,
    ) -> Camera:
        """Cameras on a sphere around the world's origin, looking at `pivot`: [B], or one.

        `yaw` and `pitch` [B] or scalar in radians, `radius` and `pivot` in world units, `focal` in image sides.
        """
        where = next((angle.device for angle in (yaw, pitch) if isinstance(angle, Tensor)), None)
        yaw, pitch = (torch.as_tensor(angle, dtype=torch.float32, device=where) for angle in (yaw, pitch))
        horizontal, vertical = torch.broadcast_tensors(
            math.pi / 2 - torch.atleast_1d(yaw), math.pi / 2 + torch.atleast_1d(pitch)
        )
        phi = torch.arccos(1 - 2 * vertical / math.pi)
        position = radius * torch.stack([phi.sin() * horizontal.cos(), phi.cos(), phi.sin() * horizontal.sin()], dim=1)
        forward = F.normalize(position.new_tensor(pivot) - position, dim=1)
        right = F.normalize(torch.linalg.cross(position.new_tensor([[0.0, -1.0, 0.0]]), forward), dim=1)
        down = torch.linalg.cross(forward, right)
        pose = torch.eye(4, device=position.device).repeat(len(position), 1, 1)
        pose[:, :3] = torch.stack([right, down, forward, position], dim=2)
        intrinsics = position.new_tensor([[focal, 0.0, 0.5], [0.0, focal, 0.5], [0.0, 0.0, 1.0]])
        return Camera(pose, intrinsics.repeat(len(position), 1, 1))

    def angles(self) -> Tensor:
        """The yaw and the pitch [2, B], in radians, whose `orbit` has a camera in this direction from the origin.

        >>> [round(angle, 4) for angle in Camera.orbit(0.3, -0.2).angles()[:, 0].tolist()]
        [0.3, -0.2]
        """
        x, y, z = F.normalize(self.pose[:, :3, 3], dim=1).unbind(1)
        return torch.stack([torch.atan2(x, z), -math.pi / 2 * y])

    def degrees_from(self, other: Camera) -> Tensor:
        """Degrees [B] between the directions in which these cameras and the `other` ones look."""
        here, there = self.pose[:, :3, 2], other.pose[:, :3, 2]
        across = torch.linalg.cross(here, there).norm(dim=1)
        return torch.rad2deg(torch.atan2(across, (here * there).sum(1)))

    def mirrored(self) -> Camera:
        """The cameras that see the left-right mirrored picture of a mirrored world."""
        flip = torch.ones(4, 4, device=self.pose.device, dtype=self.pose.dtype)
        for row, column in ((0, 1), (0, 2), (1, 0), (2, 0), (0, 3)):
            flip[row, column] = -1
        return Camera(self.pose * flip, self.intrinsics)

    def rays(self, n: int) -> tuple[Tensor, Tensor]:
        """Origins and unit directions, both [B, n*n, 3], through pixel centres (i + 0.5)/n, row by row."""
        centre = (torch.arange(n, device=self.pose.device, dtype=self.pose.dtype) + 0.5) / n
        y, x = torch.meshgrid(centre, centre, indexing="ij")
        x, y = x.flatten(), y.flatten()
        k = self.intrinsics
        fx, fy, cx, cy, skew = (k[:, i, j, None] for i, j in ((0, 0), (1, 1), (0, 2), (1, 2), (0, 1)))
        lifted_y = (y - cy) / fy
        lifted_x = (x - cx - skew * lifted_y) / fx
        in_camera = torch.stack([lifted_x, lifted_y, torch.ones_like(lifted_x)], dim=2)
        direction = F.normalize(in_camera @ self.pose[:, :3, :3].mT, dim=2)
        return self.pose[:, None, :3, 3].expand_as(direction), direction
