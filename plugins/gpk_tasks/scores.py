"""How well pictures show a subject: figures against photos, and likeness.

Shapes: N pictures, M references, R image side, r side of masks.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gpk.album import resize
from gpk.context import Context
from gpk.judges import Judge
from gpk.metrics import identity_similarity, psnr, ssim
from gpk.realism import WINDOW, realism
from gpk.seeding import in_parts
from gpk_tasks.renders import AT_ONCE

FEWEST = 4
"""Pictures whose realism can be told: of fewer the statistics' spread is not known."""


@torch.no_grad()
def score(
    images: Tensor,
    photos: Tensor,
    context: Context,
    *,
    references: Tensor | None = None,
    masks: Tensor | None = None,
    real: Tensor | None = None,
) -> dict[str, float]:
    """Mean figures of renders [N, 3, R, R] against photos: PSNR in dB, SSIM, the distance that reports, realism
    (`gpk.realism`), PSNR inside `masks` [N, 1, R, R], and ID_sim to the reference photos [M, 3, R, R] where the
    context has a judge.

    Of photos that were cropped beyond their edge `real` [N, 1, r, r] tells which pixels are their own. PSNR and SSIM
    leave the others out; distance and realism see the photo's in the render too, and so nothing of them.
    """
    photos = resize(photos, images.shape[-1])
    shown, whole = images, torch.ones_like(images[:, :1])
    if real is not None:
        whole = resize(real, images.shape[-1])
        shown = images * whole + photos * (1 - whole)
    figures = {"psnr": psnr(images, photos, None if real is None else whole).mean().item()}
    if masks is not None:
        figures["psnr_inside"] = psnr(images, photos, masks * whole).mean().item()
    figures["ssim"] = ssim(shown, photos, None if real is None else whole).nanmean().item()
    figures["distance"] = in_parts(context.reporting or context.distance, shown, photos, size=AT_ONCE).mean().item()
    figures |= grain(shown, photos)
    if context.judge is not None and references is not None:
        figures["id_sim"] = similarity(context.judge, images, references)
    return figures


def grain(images: Tensor, photos: Tensor, masks: Tensor | None = None) -> dict[str, float]:
    """The realism of images [N, 3, R, R] beside photos [M, 3, r, r], of which `masks` [M, 1, r, r] are their own;
    nothing where either are fewer than FEWEST or too small.
    """
    if min(len(images), len(photos)) < FEWEST or images.shape[-1] < 2 * WINDOW:
        return {}
    return {"realism": realism(images, resize(photos, images.shape[-1]), masks)}


@torch.no_grad()
def similarity(judge: Judge, images: Tensor, references: Tensor) -> float:
    """Mean ID_sim of images [N, 3, R, R] to the reference photos [M, 3, R, R]."""
    seen = (in_parts(judge, pictures, size=AT_ONCE) for pictures in (images, references))
    return identity_similarity(*seen).mean().item()
