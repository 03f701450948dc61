"""How well pictures show a subject: figures against photos, and likeness.

Shapes: N pictures, R image side.
"""

from __future__ import annotations

import torch
from torch import Tensor

from corekit.album import resize
from corekit.bench import Bench, Judge
from corekit.metrics import identity_similarity, psnr, ssim
from corekit.order import in_parts
from gpk_tasks.renders import AT_ONCE


@torch.no_grad()
def score(
    images: Tensor, photos: Tensor, bench: Bench, *, references: Tensor | None = None, masks: Tensor | None = None
) -> dict[str, float]:
    """Mean figures of renders [N, 3, R, R] against photos: PSNR and SSIM, the distance that reports, PSNR inside
    `masks` [N, 1, R, R], and ID_sim to the reference photos where the bench has a judge.
    """
    photos = resize(photos, images.shape[-1])
    figures = {"psnr": psnr(images, photos).mean().item()}
    if masks is not None:
        figures["psnr_inside"] = psnr(images, photos, masks).mean().item()
    figures["ssim"] = ssim(images, photos).mean().item()
    figures["distance"] = in_parts(bench.reporting or bench.distance, images, photos, size=AT_ONCE).mean().item()
    if bench.judge is not None and references is not None:
        figures["id_sim"] = similarity(bench.judge, images, references)
    return figures


@torch.no_grad()
def similarity(judge: Judge, images: Tensor, references: Tensor) -> float:
    """Mean ID_sim of images [N, 3, R, R] to the reference photos."""
    seen = (in_parts(judge, pictures, size=AT_ONCE) for pictures in (images, references))
    return identity_similarity(*seen).mean().item()
