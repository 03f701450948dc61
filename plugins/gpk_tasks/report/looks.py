"""Small pictures of what a persona changed, one by one, and a turntable: what a report shows without a generator.

Shapes: N photos, F frames, L latent layers, D latent width, R image side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from gpk.album import Album
from gpk.context import Context
from gpk_runs.animation import write_animation
from gpk_runs.pictures import to_image, write_small
from gpk_tasks.motion import turntable
from gpk_tasks.report.record import PHOTO, TURNTABLE, look_file

FRAMES, RATE = 24, 10.0
"""Of the turntable, and how many a second."""
ROUND = turntable(FRAMES, turn=0.35, nod=0.12)
"""The camera's way."""
SIDE = 256
"""Pixels of a frame of the turntable."""


def write_looks(
    directory: Path, context: Context, albums: Mapping[str, Album], columns: Mapping[str, Mapping[str, Tensor]]
) -> None:
    """Writes the pictures [N, 3, R, R] of each album, by album and heading, into a run's folder, and records them.

    All are marked as synthetic but the photos.
    """
    total = sum(len(pictures) for by_heading in columns.values() for pictures in by_heading.values())
    done = 0
    for name, by_heading in columns.items():
        for heading, pictures in by_heading.items():
            for index, picture in enumerate(pictures):
                write_small(directory / look_file(name, index, heading), picture, synthetic=heading != PHOTO)
                done += 1
                context.logger.progress("small pictures", done, total, {})
    told = {name: {"columns": list(columns[name]), "photos": list(album.names)} for name, album in albums.items()}
    context.logger.record("looks", {"albums": told})


@torch.no_grad()
def turn(context: Context, w: Tensor, label: str) -> Tensor | None:
    """Frames [F, 3, R, R] of one code w [1, L, D] of the generator as it is now, all round; None for a 2D generator."""
    cameras = context.generator.orbit(*ROUND)
    if cameras is None:
        return None
    frames = []
    for render in context.generator.views(w, cameras.to(w.device)):
        frames.append(render.image.float().cpu())
        context.logger.progress(f"turntable, {label}", len(frames), len(cameras), {})
    return torch.cat(frames)


def write_turntable(directory: Path, loops: Sequence[Tensor]) -> None:
    """Writes loops [F, 3, R, R], beside each other, as one animation into a run's folder."""
    beside = torch.cat(list(loops), dim=3)
    images = [to_image(frame).resize((SIDE * len(loops), SIDE)) for frame in beside]
    write_animation(directory / TURNTABLE, images, rate=RATE)
