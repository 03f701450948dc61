r"""New pictures of the subject: random points of its hull, from random or frontal views.

Coordinates are drawn from P_beta (`gpk.hull`), a few anchors each as MyStyle does (Nitzan et al., 2022, arXiv
2203.17272, section 4). The truncation pulls the codes to a middle as StyleGAN's does (Karras et al., 2019, section
4): middle + truncation * (code - middle). A hull's middle is the mean of its anchors, and every code between is in the
hull. Without a subject the codes are the generator's own, z from a normal distribution, and the middle is its mean w.

A picture depends on the seed and its number alone: the first ones are the same, however many are made, but for
rounding.

Shapes: N pictures, M anchors, L latent layers, D latent width, Z noise width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from gpk.context import Context
from gpk.errors import InputError
from gpk.generator import Generator
from gpk.hull import LatentHull
from gpk.logger import Run
from gpk.plugin import option
from gpk.seeding import parts, seeded
from gpk_photos.decode import read_image
from gpk_runs.pictures import write_picture
from gpk_runs.sheet import write_sheet
from gpk_tasks.codes import write_codes
from gpk_tasks.keeping import kept
from gpk_tasks.renders import check_angles, random_views, render_rows

SHOWN, ACROSS = 64, 8
"""Pictures of the contact sheet, and how many stand in a row."""


@dataclass(frozen=True)
class Synthesis:
    """What is drawn, and from where it is seen. Raises InputError for what cannot be."""

    count: int = option(32, "How many pictures.")
    source: Literal["hull", "prior"] = option("hull", "The subject's hull, or the generator's own codes.")
    beta: float = option(0.03, "How far the hull is dilated: identity for freedom.")
    corners: int = option(3, "Anchors that a picture mixes.")
    truncation: float = option(1.0, "1 as drawn, towards 0 nearer to the middle.")
    yaw: float = option(0.35, "Views within so many radians to the left and right.")
    pitch: float = option(0.25, "Views within so many radians up and down.")
    batch: int = option(4, "Pictures that are made at once; on EG3D-FFHQ four take 5 GiB.")
    seed: int = option(0, "Seed of everything random.")

    def __post_init__(self) -> None:
        if self.count < 1 or self.corners < 1 or self.batch < 1:
            told = f"not {self.count}, {self.corners} and {self.batch}"
            raise InputError(f"count, corners and batch must be at least 1, {told}")
        if not (self.beta >= 0 and self.yaw >= 0 and self.pitch >= 0 and self.truncation >= 0):
            raise InputError("beta, truncation, yaw and pitch must be at least 0")
        if self.source == "hull" and self.truncation > 1:
            raise InputError(f"a truncation of {self.truncation:g} would leave the hull: 1 at most, or a larger --beta")
        check_angles(yaw=(self.yaw,), pitch=(self.pitch,))


class Drawn(NamedTuple):
    """Codes `w` [N, L, D] of new pictures, and what they come from: coordinates in the hull [N, M], or z [N, Z]."""

    w: Tensor
    origin: Tensor


def synthesize(context: Context, settings: Synthesis, run: Run) -> Mapping[str, Any]:
    """Writes `settings.count` pictures, a contact sheet of the first, and `codes.safetensors`: their w and, from a
    hull, their coordinates `alpha`, else their `z`, and their cameras' labels. Pictures that are there are kept. Raises
    InputError for the hull of no persona.
    """
    s, generator = settings, context.generator
    files = [run.pictures / f"{index:05}.png" for index in range(s.count)]
    with context.personalized(), kept(run) as tick:
        if s.source == "hull":
            drawn = draw_hull(
                context.anchors(), s.count, s.seed, beta=s.beta, corners=s.corners, truncation=s.truncation
            )
        else:
            drawn = draw_prior(generator, s.count, s.seed, truncation=s.truncation)
        cameras = random_views(generator, s.count, yaw=s.yaw, pitch=s.pitch, seed=s.seed)
        codes = {"w": drawn.w, "alpha" if s.source == "hull" else "z": drawn.origin}
        codes |= {} if cameras is None else {"cameras": cameras.label()}
        write_codes(run.directory / "codes.safetensors", context, codes)
        for rows in parts(s.count, s.batch):  # whole ones: a picture's last bits may depend on its neighbours
            if not all(file.exists() for file in files[rows]):
                seen = None if cameras is None else cameras[rows]
                (images,) = render_rows(generator, drawn.w[rows], seen, at_once=s.batch)
                for file, image in zip(files[rows], images, strict=True):
                    write_picture(file, image)
            context.logger.progress("pictures", rows.stop, s.count, {})
            tick(lambda: ({}, {}))  # the pictures are the state
    first = [read_image(file) for file in files[:SHOWN]]
    shown = [first[i : i + ACROSS] for i in range(0, len(first), ACROSS)]
    captions = [files[i].stem for i in range(0, len(first), ACROSS)]
    whence = f"the subject's hull, beta {s.beta:g}" if s.source == "hull" else "the generator's own codes"
    title = f"{context.backend.name} · {whence}" + (f", truncation {s.truncation:g}" if s.truncation != 1 else "")
    write_sheet(run.directory / "sheet.png", shown, captions=captions, title=title, side=128)
    return {"count": s.count, "pictures": ["sheet.png", "pictures"], "files": ["codes.safetensors"]}


def draw_hull(
    anchors: Tensor, count: int, seed: int, *, beta: float = 0.03, corners: int = 3, truncation: float = 1.0
) -> Drawn:
    """`count` codes of the hull of `anchors` [M, L, D], and their coordinates in it."""
    hull = LatentHull(anchors, beta=beta)
    alpha = torch.cat([hull.sample(1, seeded(seed, "hull", index), corners=corners) for index in range(count)])
    alpha = 1 / len(hull) + truncation * (alpha - 1 / len(hull))
    return Drawn(hull.points(alpha), alpha)


@torch.no_grad()
def draw_prior(generator: Generator, count: int, seed: int, *, truncation: float = 1.0) -> Drawn:
    """`count` codes of the generator's own, under the frontal camera, and their z."""
    width, like = generator.latent.z_dim, next(generator.parameters())
    z = torch.cat([torch.randn(1, width, generator=seeded(seed, "prior", index)) for index in range(count)]).to(like)
    return Drawn(generator.mapping(z, generator.frontal(count), truncation=truncation), z)
