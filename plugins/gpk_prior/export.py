"""From a training state to the weights file that ships: the average in half precision, facts and figures."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from gpk.generator import Generator
from gpk.metrics import psnr
from gpk_minicat.render import FAR
from gpk_minicat.store import load_tensors, save_tensors
from gpk_prior.pictures import Batch
from gpk_prior.prior import Prior
from gpk_prior.prior_3d import PRIOR_3D
from gpk_tasks.tensors import under


def generator_of(state: Path, *, prior: Prior = PRIOR_3D) -> tuple[Generator, dict[str, object]]:
    """The averaged generator in a state file of `prior`, with the mean of w filled in, and the state's note."""
    tensors, note = load_tensors(state)
    generator = prior.build()
    generator.load_state_dict(under("average.", tensors))
    with torch.no_grad():
        z = torch.randn(10_000, generator.latent.z_dim, generator=torch.Generator().manual_seed(0))
        mean = next(buffer for name, buffer in generator.named_buffers() if name.endswith("mapping.w_avg"))
        mean.copy_(generator.mapping(z)[:, 0].mean(0))
    return generator.eval().requires_grad_(False), note


@torch.no_grad()
def measure(generator: Generator, batch: Batch, *, prior: Prior = PRIOR_3D) -> dict[str, float]:
    """How near the generator of `prior` comes to pictures it has not seen.

    Mean peak signal-to-noise ratios in dB, of the final picture, of that inside the cat alone (a plain background
    flatters), and of the raw picture where there is one; and where there is depth its mean error in world units, the
    background at FAR.
    """
    z, photo = prior.noise(batch), batch.photo
    parts = [slice(i, i + 16) for i in range(0, len(z), 16)]
    views = [generator(generator.mapping(z[part]), batch.camera[part]) for part in parts]
    image, raw, depth = (_joined(column) for column in zip(*views, strict=True))
    assert image is not None
    figures = {
        "pictures": float(len(z)),
        "psnr": psnr(image, photo.image).mean().item(),
        "psnr_inside": psnr(image, photo.image, photo.mask).mean().item(),
    }
    if raw is not None:
        figures["psnr_raw"] = psnr(raw, F.avg_pool2d(photo.image, 2)).mean().item()
    if depth is not None:
        figures["depth_error"] = (depth.clamp_max(FAR) - photo.depth).abs().mean().item()
    return figures


def export(
    state: Path, weights: Path, *, prior: Prior = PRIOR_3D, validation: Batch | None = None
) -> dict[str, object]:
    """Write the averaged generator of `prior` as float16 with its facts to `weights`; returns the facts.

    `validation`, pictures that training did not see, adds what `measure` says of them.
    """
    generator, note = generator_of(state, prior=prior)
    tensors = {key: value.half() for key, value in generator.state_dict().items()}
    generator.load_state_dict(tensors)  # so that what is measured is what is written
    facts: dict[str, object] = {
        "format": "gpk-generator/1",
        "card": prior.card.name,
        "licence": prior.card.licence,
        "config": dataclasses.asdict(prior.config),
        "noise": {name: list(numbers) for name, numbers in prior.meanings.items()},
        "training": {key: note[key] for key in ("step", "seconds", "recipe")},
    }
    if validation is not None:
        facts["measured"] = measure(generator, validation, prior=prior)
    save_tensors(weights, tensors, facts)
    return facts


def _joined(parts: tuple[Tensor | None, ...]) -> Tensor | None:
    """The batches one after the other; None where the generator gives none."""
    return None if any(part is None for part in parts) else torch.cat([part for part in parts if part is not None])
