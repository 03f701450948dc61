"""From a training state to the weights file that ships: the average in half precision, facts and figures.

Shapes: B batch, R image side, r side before super-resolution.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from corekit.generator import Render
from corekit.metrics import psnr
from gpk_eg3d.network import EG3D
from gpk_minicat.parameters import IDENTITY, PHOTO, PRIOR
from gpk_minicat.pictures import Batch
from gpk_minicat.prior import CONFIG
from gpk_minicat.render import FAR
from gpk_minicat.store import load_tensors, save_tensors
from gpk_minicat.train import under


def generator_of(state: Path) -> tuple[EG3D, dict[str, object]]:
    """The averaged generator in a state file, with the mean of w filled in, and the state's note."""
    tensors, note = load_tensors(state)
    generator = EG3D(CONFIG)
    generator.load_state_dict(under("average.", tensors))
    with torch.no_grad():
        z = torch.randn(10_000, len(PRIOR), generator=torch.Generator().manual_seed(0))
        generator.backbone.mapping.w_avg.copy_(generator.mapping(z)[:, 0].mean(0))
    return generator.eval().requires_grad_(False), note


@torch.no_grad()
def measure(generator: EG3D, batch: Batch) -> dict[str, float]:
    """How near the generator comes to pictures it has not seen.

    Mean peak signal-to-noise ratios in dB, of the final picture, of the raw one, and of the final one inside the cat
    alone (a plain background flatters); and the mean error of the depth in world units, the background at FAR.
    """
    parts = range(0, len(batch.z), 16)
    views = [generator(generator.mapping(batch.z[i : i + 16]), batch.camera[slice(i, i + 16)]) for i in parts]
    image, raw, depth = (torch.cat(column) for column in zip(*map(_whole, views), strict=True))
    photo = batch.photo
    return {
        "pictures": float(len(batch.z)),
        "psnr": psnr(image, photo.image).mean().item(),
        "psnr_inside": psnr(image, photo.image, photo.mask).mean().item(),
        "psnr_raw": psnr(raw, F.avg_pool2d(photo.image, 2)).mean().item(),
        "depth_error": (depth.clamp_max(FAR) - photo.depth).abs().mean().item(),
    }


def export(state: Path, weights: Path, *, validation: Batch | None = None) -> dict[str, object]:
    """Write the averaged generator as float16 with its facts to `weights`; returns the facts.

    `validation`, pictures that training did not see, adds what `measure` says of them.
    """
    generator, note = generator_of(state)
    tensors = {key: value.half() for key, value in generator.state_dict().items()}
    generator.load_state_dict(tensors)  # so that what is measured is what is written
    facts: dict[str, object] = {
        "format": "gpk-generator/1",
        "card": "minicat-64",
        "licence": "Apache-2.0",
        "config": dataclasses.asdict(CONFIG),
        "noise": {"identity": list(IDENTITY), "photo": list(PHOTO)},
        "training": {key: note[key] for key in ("step", "seconds", "recipe")},
    }
    if validation is not None:
        facts["measured"] = measure(generator, validation)
    save_tensors(weights, tensors, facts)
    return facts


def _whole(render: Render) -> tuple[Tensor, Tensor, Tensor]:
    assert render.raw is not None
    assert render.depth is not None
    return render.image, render.raw, render.depth
