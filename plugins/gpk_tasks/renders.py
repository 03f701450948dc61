r"""What a generator shows where nothing is learned: an album's photos again, and views that nobody took.

Shapes: N photos, V views, L latent layers, D latent width, R image side.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from corekit.album import Album
from corekit.bench import Bench
from corekit.camera import Camera
from corekit.errors import InputError
from corekit.generator import Generator
from corekit.order import parts

AT_ONCE = 2
"""Pictures that are rendered or looked at together: 2.7 GiB on EG3D-FFHQ."""


@torch.no_grad()
def render_album(bench: Bench, w: Tensor, album: Album) -> Tensor:
    """Images [N, 3, R, R] of w [N, L, D], each from its photo's camera."""
    images = []
    for rows in parts(len(album), AT_ONCE):
        cameras = None if album.cameras is None else album.cameras[rows]
        images.append(bench.generator(w[rows], cameras).image.float())
    return torch.cat(images)


@torch.no_grad()
def novel_views(bench: Bench, w: Tensor, *, yaw: Sequence[float] = (-0.35, 0.35), pitch: float = 0.0) -> Tensor | None:
    """Images [N·len(yaw), 3, R, R] of every w [N, L, D] at each yaw, row by row of w; None for 2D generators."""
    cameras = bench.generator.orbit(torch.tensor(list(yaw)), pitch)
    if cameras is None:
        return None
    return torch.cat([views_of(bench.generator, row[None], cameras) for row in w])


@torch.no_grad()
def views_of(generator: Generator, w: Tensor, cameras: Camera) -> Tensor:
    """Images [V, 3, R, R] of one w [1, L, D] from each camera; what is common to them is made once."""
    return torch.cat([render.image.float() for render in generator.views(w, cameras.to(w.device))])


def orbit(bench: Bench, yaw: Sequence[float], pitch: Sequence[float]) -> Camera:
    """The cameras at these angles off the frontal view, in radians; raises InputError for a 2D generator."""
    cameras = bench.generator.orbit(torch.tensor(list(yaw)), torch.tensor(list(pitch)))
    if cameras is None:
        raise InputError(
            f"{bench.backend.name} is a 2D generator and has no views: use a 3D backend, such as eg3d-minicat"
        )
    return cameras
