r"""New pictures of the subject: random points of its hull, from random or frontal views.

Coordinates are drawn from P_beta (`corekit.hull`), a few anchors each as MyStyle does (Nitzan et al., 2022, arXiv
2203.17272, section 4), and pulled to the hull's middle by the truncation. Without a subject the codes are the
generator's own: z from a normal distribution, as StyleGAN draws them.

Shapes: N pictures, M anchors, L latent layers, D latent width, R image side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from corekit.bench import Bench, Run
from corekit.camera import Camera
from corekit.errors import InputError
from corekit.hull import LatentHull
from corekit.order import seeded
from corekit.plugin import option
from gpk_checkpoints.files import write_safetensors
from gpk_runs.pictures import write_picture
from gpk_runs.sheet import write_sheet

SHOWN, ACROSS = 64, 8
"""Pictures of the contact sheet, and how many stand in a row."""


@dataclass(frozen=True)
class Synthesis:
    """What is drawn, and from where it is seen."""

    count: int = option(32, "How many pictures.")
    source: Literal["hull", "prior"] = option("hull", "The subject's hull, or the generator's own codes.")
    beta: float = option(0.03, "How far the hull is dilated: identity for freedom.")
    corners: int = option(3, "Anchors that a picture mixes.")
    truncation: float = option(1.0, "1 as drawn, towards 0 nearer to the middle.")
    yaw: float = option(0.35, "Views within so many radians to the left and right.")
    pitch: float = option(0.25, "Views within so many radians up and down.")
    seed: int = option(0, "Seed of everything random.")

    def __post_init__(self) -> None:
        if self.count < 1 or self.corners < 1:
            raise InputError(f"count and corners must be at least 1, not {self.count} and {self.corners}")
        if self.beta < 0 or self.yaw < 0 or self.pitch < 0:
            raise InputError("beta, yaw and pitch must be at least 0")


def synthesize(bench: Bench, settings: Synthesis, run: Run) -> Mapping[str, Any]:
    """Writes `settings.count` pictures, a contact sheet of the first, and `codes.safetensors`: their w and, from a
    hull, their coordinates, and their cameras' labels.
    """
    rng = seeded(settings.seed, "synthesize")
    with bench.personalized() as generator:
        codes = draw(bench, settings, rng)
        cameras = random_views(bench, settings.count, yaw=settings.yaw, pitch=settings.pitch, rng=rng)
        images = []
        for index in range(settings.count):
            camera = None if cameras is None else cameras[index]
            with torch.no_grad():
                images.append(generator(codes["w"][index : index + 1], camera).image[0].float().cpu())
            write_picture(run.pictures / f"{index:05}.png", images[-1])
            bench.journal.progress("pictures", index + 1, settings.count, {})
    if cameras is not None:
        codes["cameras"] = cameras.label()
    write_safetensors(run.directory / "codes.safetensors", codes, {})
    rows = [images[i : i + ACROSS] for i in range(0, min(len(images), SHOWN), ACROSS)]
    write_sheet(run.directory / "sheet.png", rows, title=f"{bench.backend.name} · {settings.source}", side=128)
    return {"count": settings.count, "pictures": ["sheet.png", "pictures"], "files": ["codes.safetensors"]}


def draw(bench: Bench, settings: Synthesis, rng: torch.Generator) -> dict[str, Tensor]:
    """Codes `w` [N, L, D] of new pictures, and from a hull their coordinates `alpha` [N, M].

    Raises InputError for a hull without a persona.
    """
    if settings.source == "prior":
        latent, like = bench.generator.latent, next(bench.generator.parameters())
        z = torch.randn(settings.count, latent.z_dim, generator=rng).to(like)
        front = bench.generator.frontal(settings.count)
        w = bench.generator.mapping(z, front, truncation=settings.truncation)
        return {"w": w, "z": z}
    hull = LatentHull(bench.anchors(), beta=settings.beta)
    alpha = hull.sample(settings.count, rng, corners=settings.corners)
    alpha = 1 / len(hull) + settings.truncation * (alpha - 1 / len(hull))
    return {"w": hull.points(alpha), "alpha": alpha}


def random_views(bench: Bench, count: int, *, yaw: float, pitch: float, rng: torch.Generator) -> Camera | None:
    """`count` cameras spread evenly over ±`yaw` and ±`pitch`, in radians; None for a 2D generator."""
    angles = torch.rand(2, count, generator=rng) * 2 - 1
    return bench.generator.orbit(angles[0] * yaw, angles[1] * pitch)
