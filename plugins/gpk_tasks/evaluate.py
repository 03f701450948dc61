r"""How well a generator shows an album: scores of renders against photos, and held-out photos placed in the personal
hull.

A held-out photo has no anchor. It is placed by descending on its coordinates in P_beta, plus small offsets per layer
with a penalty, under Eq. 1 (MyStyle, arXiv 2203.17272, section 5), so that only what the hull can say about the
subject is scored.

Shapes: N photos, L latent layers, D latent width, R image side, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from corekit.album import Album, resize
from corekit.bench import Bench, Judge
from corekit.hull import LatentHull
from corekit.latents import latent_statistics
from corekit.loss import Loss, Reconstruction
from corekit.metrics import identity_similarity, psnr, ssim
from corekit.order import in_parts, parts
from gpk_tasks.descent import adam, backward_in_parts, rate_at, set_rate
from gpk_tasks.invert import shrunk
from gpk_tasks.memory import photos_at_once
from gpk_tasks.tune import anchors_as_ws


@dataclass(frozen=True)
class Placement:
    """How held-out photos are placed in the hull: `offset` weighs the penalty on leaving it."""

    steps: int = 30
    lr: float = 0.05
    lr_offset: float = 0.02
    beta: float = 0.03
    offset: float = 1.0
    side: int = 256


AT_ONCE = 2
"""Pictures that are rendered or looked at together where nothing is learned: 2.7 GiB on EG3D-FFHQ."""


@torch.no_grad()
def render_album(bench: Bench, w: Tensor, album: Album) -> Tensor:
    """Images [N, 3, R, R] of w [N, L, D], each from its photo's camera."""
    images = []
    for rows in parts(len(album), AT_ONCE):
        cameras = None if album.cameras is None else album.cameras[rows]
        images.append(bench.generator(w[rows], cameras).image.float())
    return torch.cat(images)


def place(
    bench: Bench,
    anchors: Tensor,
    album: Album,
    settings: Placement,
    *,
    memory: float | None = None,
    stage: str = "placing photos",
) -> Tensor:
    """w [N, L, D] of held-out photos, in or near the hull of `anchors` [M, D] or [M, L, D].

    `memory` is what a step may take, in GiB; `stage` names the progress.
    """
    hull = LatentHull(anchors_as_ws(anchors, bench.generator.latent.num_ws), beta=settings.beta)
    spread = latent_statistics(bench.generator, samples=1024).spread
    free = anchors.new_full((len(album), len(hull)), 1 / len(hull)).requires_grad_()
    away = anchors.new_zeros(len(album), *hull.anchors.shape[1:]).requires_grad_()
    optimizer = adam([([free], settings.lr), ([away], settings.lr_offset)], beta1=0.9, beta2=0.999)
    reconstruction = Reconstruction(album.photos, bench.distance)

    def points() -> Tensor:
        return hull.points(hull.soften(free)) + away * spread

    def loss(w: Tensor, rows: slice) -> Loss:
        render = bench.generator(w, None if album.cameras is None else album.cameras[rows])
        return reconstruction(shrunk(render, settings.side), rows)

    one = slice(0, 1)
    at_once = photos_at_once(lambda: loss(points()[one], one).total, bench.generator, memory, most=len(album))
    for step in range(settings.steps):
        set_rate(optimizer, rate_at(step, settings.steps, warmup=0.05, decay=0.75))
        optimizer.zero_grad()
        losses = backward_in_parts(points(), loss, at_once=at_once)
        (settings.offset * away.square().sum((1, 2)).sum()).backward()
        optimizer.step()
        mean = torch.cat([part.total.detach() for part in losses]).mean().item()
        bench.journal.progress(stage, step + 1, settings.steps, {"loss": mean})
    return points().detach()


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
def novel_views(bench: Bench, w: Tensor, *, yaw: Sequence[float] = (-0.35, 0.35), pitch: float = 0.0) -> Tensor | None:
    """Images [N·len(yaw), 3, R, R] of every w [N, L, D] at each yaw, row by row of w; None for 2D generators."""
    views = []
    for angle in yaw:
        camera = bench.generator.orbit(angle, pitch)
        if camera is None:
            return None
        views.append(torch.cat([bench.generator(row[None], camera.to(w.device)).image.float() for row in w]))
    return torch.stack(views, dim=1).flatten(0, 1)


@torch.no_grad()
def similarity(judge: Judge, images: Tensor, references: Tensor) -> float:
    """Mean ID_sim of images [N, 3, R, R] to the reference photos."""
    seen = (in_parts(judge, pictures, size=AT_ONCE) for pictures in (images, references))
    return identity_similarity(*seen).mean().item()
