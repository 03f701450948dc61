"""The prior `stylegan2-minicat`: the noise means a cat and the view of it, so the generator takes no camera
(`gpk_minicat.cameras`).

Loss = final + coarse + edges (`prior.py`).

Shapes: B batch, Z noise of the cat.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

import torch
from torch import Tensor

from gpk.camera import Camera
from gpk.generator import Generator, Render
from gpk_minicat.cameras import PITCH, YAW, angles_of, noise_of
from gpk_minicat.parameters import IDENTITY, PHOTO, PRIOR
from gpk_prior.pictures import Batch
from gpk_prior.prior import Prior, card_named, cat_meaning, picture_terms
from gpk_stylegan2.config import from_mapping
from gpk_stylegan2.network import StyleGAN2

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
