r"""The prior `stylegan2-minicat`: the noise means a cat and the view of it, so the generator takes no camera.

z has two numbers more than the cat's noise, of yaw and of pitch: t = Phi^-1(u), where u is the angle's place in its
range, 0 to 1, and Phi the normal distribution function. The mapping network sees only the direction of z, so t counts
in units of the root mean square of the cat's part, which itself counts by its direction only (`parameters.py`): the
direction of z tells all. Views are drawn evenly, hence t is N(0, 1), and z drawn from N(0, 1) shows plausible cats
from plausible sides. |t| <= LIMIT, for the ends of a range are infinitely far.

Loss = final + coarse + edges (`prior.py`).

Shapes: B batch, Z noise of the cat, R image side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, final

import torch
from torch import Tensor

from gpk.camera import Camera
from gpk.generator import Generator, Render
from gpk_minicat.parameters import IDENTITY, PHOTO, PRIOR
from gpk_minicat.pictures import PITCH, YAW, Batch
from gpk_minicat.prior import Prior, card_named, cat_meaning, picture_terms
from gpk_stylegan2.config import from_mapping
from gpk_stylegan2.mapping import normalised
from gpk_stylegan2.network import StyleGAN2

LIMIT = 2.5
VIEW = ("yaw", "pitch")
CARD = card_named("minicat-2d-64")
CONFIG = from_mapping(CARD.config)
"""What is trained is what the card builds."""
WEIGHTS = {"final": 1.0, "coarse": 0.5, "edges": 0.5}


@final
class Prior2D(Prior):
    """A StyleGAN2 of procedural cats."""

    card = CARD
    config = CONFIG
    state = "state-2d.safetensors"
    meanings: ClassVar[Mapping[str, tuple[str, ...]]] = {"identity": IDENTITY, "photo": PHOTO, "view": VIEW}

    def build(self) -> StyleGAN2:
        """A StyleGAN2 of the card."""
        return StyleGAN2(CONFIG)

    def noise(self, batch: Batch) -> Tensor:
        """The cats' noise and the view's."""
        return noise_of(batch.z, batch.camera)

    def meaning(self, z: Tensor) -> Tensor:
        """The cats' parameters, yaw and pitch."""
        return torch.cat([cat_meaning(z[:, : len(PRIOR)]), angles_of(z) / z.new_tensor([YAW, PITCH])], 1)

    def show(self, generator: Generator, z: Tensor, camera: Camera, *, bfloat16: bool = False) -> Render:
        """The picture alone; the camera is in z."""
        del camera
        w = generator.mapping(z)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            image = generator(w, noise="none").image
        return Render(image.float())

    def loss(self, render: Render, batch: Batch, weight: Tensor) -> dict[str, Tensor]:
        """The three terms."""
        terms = picture_terms(render.image, batch.photo.image, weight)
        return {name: WEIGHTS[name] * value for name, value in terms.items()}


PRIOR_2D = Prior2D()


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
