"""The prior `eg3d-minicat`: the noise means a cat, the camera is given, and depth is learned with the picture.

Loss = final + raw + coarse + edges + depth: to the terms of the final picture (`prior.py`) come the mean absolute
difference of the raw one before super-resolution, which has a coarse one too, and that of the depth.

Shapes: B batch, R image side, r side before super-resolution.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, cast, final

import torch
from torch import Tensor
from torch.nn import functional as F

from gpk.camera import Camera
from gpk.generator import Generator, Render
from gpk_eg3d.config import from_mapping
from gpk_eg3d.network import EG3D
from gpk_eg3d.renderer import rendered
from gpk_minicat.parameters import IDENTITY, PHOTO
from gpk_minicat.render import FAR
from gpk_prior.pictures import Batch
from gpk_prior.prior import Prior, card_named, cat_meaning, picture_terms

CARD = card_named("minicat-64")
CONFIG = from_mapping(CARD.config)
"""What is trained is what the card builds."""
WEIGHTS = {"final": 1.0, "raw": 0.5, "coarse": 0.5, "edges": 0.5, "depth": 1.0}


@final
class Prior3D(Prior):
    """An EG3D of procedural cats."""

    card = CARD
    config = CONFIG
    state = "state.safetensors"
    meanings: ClassVar[Mapping[str, tuple[str, ...]]] = {"identity": IDENTITY, "photo": PHOTO}

    def build(self) -> EG3D:
        """An EG3D of the card."""
        return EG3D(CONFIG)

    def noise(self, batch: Batch) -> Tensor:
        """The cats' noise as it is."""
        return batch.z

    def meaning(self, z: Tensor) -> Tensor:
        """The cats' parameters."""
        return cat_meaning(z)

    def show(self, generator: Generator, z: Tensor, camera: Camera, *, bfloat16: bool = False) -> Render:
        """The picture, the raw one and the depth; rays are always in float32."""
        generator = cast(EG3D, generator)
        w = generator.mapping(z)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            planes = generator.planes(w, noise="none")
        features, depth = rendered(
            planes.float(), generator.decoder, camera, CONFIG, resolution=CONFIG.neural_rendering_resolution
        )
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            image = generator.superresolution(features, w[:, -1])
        return Render(image.float(), features[:, :3], depth)

    def loss(self, render: Render, batch: Batch, weight: Tensor) -> dict[str, Tensor]:
        """The five terms."""
        assert render.raw is not None
        assert render.depth is not None
        of_final = picture_terms(render.image, batch.photo.image, weight)
        off = render.raw - F.avg_pool2d(batch.photo.image, 2)
        terms = {
            "final": of_final["final"],
            "raw": (F.avg_pool2d(weight, 2) * off.abs()).mean(),
            "coarse": of_final["coarse"] + F.avg_pool2d(off, 4).abs().mean(),
            "edges": of_final["edges"],
            # The last interval ends a little behind FAR; only what lies in front of it is wrong.
            "depth": (render.depth.clamp_max(FAR) - batch.photo.depth).abs().mean(),
        }
        return {name: WEIGHTS[name] * value for name, value in terms.items()}


PRIOR_3D = Prior3D()
