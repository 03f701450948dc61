r"""What a generator shows where nothing is learned: an album's photos again, and views that nobody took.

Many views of one code are made of the same planes, so whoever wants many asks for them together. Angles are EG3D's, in
radians off the frontal view: a yaw is the real angle, a pitch of 0.25 a real one of 0.16 (`gpk.camera`). A positive
yaw moves the camera to the picture's right, a positive pitch moves it down.

Shapes: N photos or codes, B of them at once, V views, L latent layers, D latent width, R image side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from gpk.album import Album, resize
from gpk.camera import Camera
from gpk.context import Context
from gpk.errors import InputError
from gpk.generator import Generator, Render
from gpk.seeding import parts, seeded

AT_ONCE = 2
"""Pictures that are rendered or looked at together: 2.7 GiB on EG3D-FFHQ."""
STEEPEST = 1.5
"""Radians of pitch where a view still has an up and a down."""


@torch.no_grad()
def render_rows(
    generator: Generator, w: Tensor, cameras: Camera | None = None, *, at_once: int = AT_ONCE
) -> Iterator[Tensor]:
    """Images of w [N, L, D], each from its own of the N cameras, `at_once` after the others: [B, 3, R, R] each time."""
    for rows in parts(len(w), at_once):
        yield generator(w[rows], None if cameras is None else cameras[rows].to(w.device)).image.float()


@torch.no_grad()
def rendered(generator: Generator, w: Tensor, cameras: Camera | None) -> Iterator[Render]:
    """What all V cameras see of w [N, L, D], a render [V, …] for each code; the frontal view alone where None.

    What is common to the views of a code is made once.
    """
    for row in w[:, None]:
        renders = [generator(row)] if cameras is None else list(generator.views(row, cameras.to(w.device)))
        image = torch.cat([render.image.float() for render in renders])
        yield Render(image, _together(r.raw for r in renders), _together(r.depth for r in renders))


def shrunk(render: Render, side: int) -> Render:
    """The pictures of `render`, none larger than `side` pixels."""
    return Render(*(level if level.shape[-1] <= side else resize(level, side) for level in render.pyramid))


def render_album(context: Context, w: Tensor, album: Album) -> Tensor:
    """Images [N, 3, R, R] of w [N, L, D], each from its photo's camera."""
    return torch.cat(list(render_rows(context.generator, w, album.cameras)))


def novel_views(
    context: Context, w: Tensor, *, yaw: Sequence[float] = (-0.35, 0.35), pitch: float = 0.0
) -> Tensor | None:
    """Images [N·len(yaw), 3, R, R] of every w [N, L, D] at each yaw, row by row of w; None for 2D generators."""
    cameras = context.generator.orbit(torch.tensor(list(yaw)), pitch)
    if cameras is None:
        return None
    return torch.cat([render.image for render in rendered(context.generator, w, cameras)])


def views_of(generator: Generator, w: Tensor, cameras: Camera) -> Tensor:
    """Images [V, 3, R, R] of one w [1, L, D] from each camera; what is common to them is made once."""
    return next(rendered(generator, w, cameras)).image


def orbit(context: Context, yaw: Sequence[float], pitch: Sequence[float]) -> Camera:
    """The cameras at these angles off the frontal view, in radians; raises InputError for a 2D generator."""
    cameras = context.generator.orbit(torch.tensor(list(yaw)), torch.tensor(list(pitch)))
    if cameras is None:
        raise InputError(
            f"{context.backend.name} is a 2D generator and has no views: use a 3D backend, such as eg3d-minicat"
        )
    return cameras


def random_angles(count: int, *, yaw: float, pitch: float, seed: int) -> Tensor:
    """Yaws and pitches [2, count] spread evenly over +-`yaw` and +-`pitch`, in radians; the first of them are the same
    for any count.
    """
    angles = torch.empty(2, count)
    for index in range(count):
        angles[:, index] = torch.rand(2, generator=seeded(seed, "view", index)) * 2 - 1
    return angles * torch.tensor([[yaw], [pitch]])


def random_views(generator: Generator, count: int, *, yaw: float, pitch: float, seed: int) -> Camera | None:
    """The `count` cameras at `random_angles`; None for a 2D generator."""
    return generator.orbit(*random_angles(count, yaw=yaw, pitch=pitch, seed=seed))


def check_angles(*, yaw: Sequence[float], pitch: Sequence[float]) -> None:
    """Raises InputError where one of these angles is no view, as degrees are none."""
    for name, angles, most in (("yaw", yaw, torch.pi), ("pitch", pitch, STEEPEST)):
        for angle in angles:
            if not abs(angle) <= most:  # NaN is not either
                raise InputError(f"{name} is in radians, from {-most:.4g} to {most:.4g}, not {angle:g}")


def _together(levels: Iterable[Tensor | None]) -> Tensor | None:
    """One batch of what every render has, or None where they have none."""
    there = [level.float() for level in levels if level is not None]
    return torch.cat(there) if there else None
