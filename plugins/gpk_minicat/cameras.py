r"""The cameras of the priors' pictures, and how the noise of the 2D prior tells them.

z of `stylegan2-minicat` has two numbers more than the cat's noise, of yaw and of pitch: t = Phi^-1(u), where u is the
angle's place in its range, 0 to 1, and Phi the normal distribution function. The mapping network sees only the
direction of z, so t counts in units of the root mean square of the cat's part, which itself counts by its direction
only (`parameters.py`): the direction of z tells all. Views are drawn evenly, hence t is N(0, 1), and z drawn from
N(0, 1) shows plausible cats from plausible sides. |t| <= LIMIT, for the ends of a range are infinitely far.

Shapes: B batch, Z noise of the cat.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gpk.camera import Camera
from gpk_minicat.parameters import PRIOR
from gpk_stylegan2.mapping import normalised

FOCAL = 2.7
YAW, PITCH = 0.65, 0.38
LIMIT = 2.5


def random_cameras(count: int, rng: torch.Generator) -> Camera:
    """Cameras spread evenly over yaw +-YAW and pitch +-PITCH (EG3D's convention), radius 2.7."""
    yaw, pitch = (torch.rand(2, count, generator=rng) * 2 - 1) * torch.tensor([[YAW], [PITCH]])
    return Camera.orbit(yaw, pitch, focal=FOCAL)


def noise_of(z: Tensor, camera: Camera) -> Tensor:
    """The noise [B, Z + 2] of the cats of z [B, Z] as the cameras see them, the cats' part at unit mean square."""
    place = 0.5 + angles(camera) / (2 * z.new_tensor([YAW, PITCH]))
    return torch.cat([normalised(z), torch.special.ndtri(place.clamp(0, 1)).clamp(-LIMIT, LIMIT)], 1)


def angles_of(z: Tensor) -> Tensor:
    """Yaw and pitch [B, 2], in radians, that noise z [B, Z + 2] means, whatever its length; up to YAW and PITCH.

    >>> round(angles_of(torch.ones(1, len(PRIOR) + 2))[0, 0].item() / YAW, 4)  # 2 Phi(1) - 1 of the range
    0.6827
    """
    size = z[:, : len(PRIOR)].square().mean(1, keepdim=True).sqrt()
    return torch.erf(z[:, len(PRIOR) :] / (size * math.sqrt(2))) * z.new_tensor([YAW, PITCH])


def angles(camera: Camera) -> Tensor:
    """Yaw and pitch [B, 2] in EG3D's convention, in radians, of cameras around the origin: `Camera.orbit` undone."""
    x, y, z = camera.pose[:, :3, 3].unbind(1)
    return torch.stack([torch.atan2(x, z), -math.pi / 2 * y / torch.stack([x, y, z]).norm(dim=0)], 1)
