"""What a row is judged by: photos it learned from, photos it never saw, and views and pictures that nobody took.

Shapes: N photos, M references, L latent layers, D latent width, R image side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gpk.album import Album
from gpk.context import Context
from gpk.hull import LatentHull
from gpk.judges import Distance
from gpk.latents import anchors_as_ws
from gpk.metrics import diversity, identity_similarity, psnr
from gpk.realism import realism
from gpk.seeding import in_parts, seeded
from gpk_bench.subjects import Photos, Subject
from gpk_minicat.cameras import random_cameras
from gpk_tasks.placement import Placement, place
from gpk_tasks.renders import render_album

VIEWS = ((-0.35, 0.0), (0.35, 0.0), (0.0, -0.25), (0.0, 0.25))
"""Yaw and pitch of the novel views, in radians: as far as the paper turns."""
REFERENCES = 12
"""The subject's first photos: whom ID_sim compares with, whatever the album of a row."""
INVENTED = 48
"""Pictures drawn at random from the hull."""
AT_ONCE = 8
"""Pictures that a network looks at together."""


@dataclass(frozen=True)
class Instruments:
    """The networks that report, none of which any row was tuned by: a judge of identity and a perceptual distance."""

    judge: torch.nn.Module
    distance: Distance

    def likeness(self, images: Tensor, references: Tensor) -> float:
        """Mean ID_sim of images [N, 3, R, R] to the references [M, 3, R, R]."""
        seen = (in_parts(self.judge, pictures, size=AT_ONCE) for pictures in (images, references))
        return identity_similarity(*seen).mean().item()

    def against(self, images: Tensor, photos: Photos, references: Tensor) -> dict[str, float]:
        """How near images [N, 3, R, R] come to the photos: PSNR and PSNR inside the cat in dB, perceptual distance,
        realism, ID_sim to the references [M, 3, R, R].
        """
        return {
            "psnr": psnr(images, photos.image).mean().item(),
            "inside": psnr(images, photos.image, photos.mask).mean().item(),
            "distance": in_parts(self.distance, images, photos.image, size=AT_ONCE).mean().item(),
            "realism": realism(images, photos.image),
            "id_sim": self.likeness(images, references),
        }


@torch.no_grad()
def judged(
    context: Context,
    anchors: Tensor,
    subject: Subject,
    instruments: Instruments,
    *,
    views: Sequence[Photos],
    placement: Placement,
    seed: int,
) -> dict[str, float]:
    """The figures, by column, of the context's generator as it is now, with `anchors` [N, D] or [N, L, D] of its
    album.

    `views` are the album's photos taken anew from each of VIEWS; `seed` decides what is drawn from the hull.
    """
    references, count = subject.train.image[:REFERENCES], len(context.album)
    hull = LatentHull(anchors_as_ws(anchors, context.generator.latent.num_ws), beta=placement.beta)
    with torch.enable_grad():
        placed = place(context, anchors, subject.held_out.album(), placement).w
    figures = {
        "train": instruments.against(
            render_album(context, hull.anchors, context.album), subject.train.first(count), references
        ),
        "held_out": instruments.against(
            render_album(context, placed, subject.held_out.album()), subject.held_out, references
        ),
    }
    shown = min(count, len(views[0]))
    turned = [
        instruments.against(render_album(context, hull.anchors[:shown], view.album()), view, references)
        for view in (taken.first(shown) for taken in views)
    ]
    figures["novel"] = {name: sum(view[name] for view in turned) / len(turned) for name in turned[0]}
    flat = {f"{place}_{name}": value for place, columns in figures.items() for name, value in columns.items()}
    return flat | _invented(context, hull, references, instruments, seed=seed)


def _invented(
    context: Context, hull: LatentHull, references: Tensor, instruments: Instruments, *, seed: int
) -> dict[str, float]:
    """ID_sim, realism and diversity of pictures drawn at random from the hull."""
    rng = seeded(seed, "invented")
    w = hull.points(hull.sample(INVENTED, rng))
    cameras = random_cameras(INVENTED, rng)
    pictures = Album(torch.empty(INVENTED, 3, 1, 1), ("",) * INVENTED, cameras)
    images = render_album(context, w, pictures)
    return {
        "invented_id_sim": instruments.likeness(images, references),
        "invented_realism": realism(images, references),
        "invented_diversity": diversity(images, references, instruments.distance).item(),
    }
