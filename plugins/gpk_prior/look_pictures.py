"""The pictures of `python -m gpk_prior examine`: what the figures of `look` mean to the eye.

Sides and rows are chosen for a page of documentation about 1,200 pixels wide. Enlarging is Lanczos: nobody looks at
64 x 64 pixels, and squares hide the face.

Shapes: N cats, V views, R image side.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from gpk.camera import Camera
from gpk.generator import Generator
from gpk_eg3d.network import EG3D
from gpk_minicat.cameras import FOCAL
from gpk_minicat.parameters import from_noise
from gpk_minicat.render import FAR, Photo
from gpk_prior import solid
from gpk_prior.look import RAYS
from gpk_prior.unseen import at, drawn, shown, truth
from gpk_runs.animation import write_animation
from gpk_runs.sheet import contact_sheet, write_sheet

GRID = 8
YAWS = tuple(round(0.15 * k, 2) for k in range(-4, 5))
TURNED = 4
FRAMES, RATE = 60, 20.0
NEAREST, FARTHEST = 2.37, 2.77
"""What is white and what is dark in a picture of depth, in world units: a nose and an ear. The background is black."""
LAMP = (-0.55, 0.55, 0.63)
"""Where the light of the clay comes from, in the world's axes."""
OFF = 0.1
"""The error of depth that has full colour: a sixth of a head."""


def write_grid(path: Path, generator: Generator, *, seed: int) -> None:
    """64 cats of random noise, none chosen, by cameras at random within yaw +-0.35 and pitch +-0.2."""
    count = GRID * GRID
    z, camera = drawn(count, seed)[0], _lightly_turned(count, seed)
    image = shown(generator, z, camera).image
    write_sheet(path, [list(row) for row in image.split(GRID)], side=128)


def write_turntable(path: Path, generator: EG3D, *, seed: int) -> None:
    """Four cats, each drawn once and seen from nine sides."""
    views = turned(generator, drawn(TURNED, seed)[0], YAWS)
    headings = [f"yaw {yaw:+.2f}" if yaw else "frontal" for yaw in YAWS]
    write_sheet(path, [list(row) for row in views], columns=headings, side=128)


def write_turning(path: Path, generator: EG3D, *, seed: int) -> None:
    """The same four cats turning to and fro, three seconds, as a WebP."""
    swing = [2 * math.pi * k / FRAMES for k in range(FRAMES)]
    views = turned(
        generator,
        drawn(TURNED, seed)[0],
        [0.6 * math.sin(phase) for phase in swing],
        [0.12 * math.cos(phase) for phase in swing],
    )
    frames = [contact_sheet([list(views[:, k])], side=160) for k in range(FRAMES)]
    write_animation(path, frames, rate=RATE)


def write_depths(path: Path, generator: EG3D, *, seed: int) -> None:
    """Four frontal cats, procedural and generated: pictures, depths, surfaces as clay, and where the depths differ."""
    count = 4
    z, camera = drawn(count, seed)[0], at(0.0, count)
    photo, image = truth(from_noise(z), camera), shown(generator, z, camera).image
    seen = shown(generator, z, camera, rays=RAYS).depth
    assert seen is not None
    seen = seen.clamp_max(FAR)
    both = (photo.depth, seen)
    columns = [photo.image, image, *map(grey, both), *(clay(depth, camera) for depth in both)]
    columns += [difference(seen, photo.depth)]
    headings = ["procedural", "generator", "procedural depth", "generator's depth"]
    headings += ["procedural as clay", "generator as clay", "red far, blue near"]
    write_sheet(path, [list(row) for row in zip(*columns, strict=True)], columns=headings, side=152)


def write_unseen(path: Path, photo: Photo, direct: Tensor, inverted: Tensor | None) -> None:
    """Eight cats that nobody had seen: the truth, the generator's picture of their noise, and what inversion finds
    where the noise is unknown.
    """
    rows = [photo.image, direct] + ([] if inverted is None else [inverted])
    captions = ["unseen cat", "generator, noise known", "inversion, noise unknown"]
    write_sheet(path, [list(row[:8]) for row in rows], captions=captions[: len(rows)], side=128)


def turned(
    generator: EG3D, z: Tensor, yaws: tuple[float, ...] | list[float], pitches: list[float] | None = None
) -> Tensor:
    """Views [N, V, 3, R, R] of the cats z [N, Z] at these yaws and pitches in radians; each cat is drawn once."""
    camera = Camera.orbit(torch.tensor(yaws), torch.tensor(pitches or [0.0] * len(yaws)), focal=FOCAL)
    with torch.no_grad():
        w = generator.mapping(z)
        planes = generator.planes(w)
        return torch.stack([generator.view(planes, w, camera[k]).image for k in range(len(yaws))], 1)


def grey(depth: Tensor) -> Tensor:
    """Depth [N, 1, r, r] as a picture: near is white, the background black."""
    shade = 1 - 1.5 * (depth - NEAREST) / (FARTHEST - NEAREST)
    return torch.where(depth > solid.CAT, -1.0, shade.clamp(-0.8, 1))


def clay(depth: Tensor, camera: Camera) -> Tensor:
    """The surface that depth [N, 1, r, r] describes as a picture [N, 3, r, r]: of clay, lit from the upper left."""
    points = F.pad(solid.surface(depth, camera).permute(0, 3, 1, 2), (1, 1, 1, 1), mode="replicate")
    across = points[:, :, 1:-1, 2:] - points[:, :, 1:-1, :-2]
    down = points[:, :, 2:, 1:-1] - points[:, :, :-2, 1:-1]
    normal = F.normalize(torch.linalg.cross(down, across, dim=1), dim=1)
    light = (normal * depth.new_tensor(LAMP)[:, None, None]).sum(1, keepdim=True).clamp_min(0)
    tone = depth.new_tensor([0.92, 0.80, 0.70])[:, None, None] * (0.25 + 0.8 * light)
    return torch.where(depth > solid.CAT, -1.0, 2 * tone - 1)


def difference(depth: Tensor, true: Tensor) -> Tensor:
    """How far depth [N, 1, r, r] is from the true one as a picture [N, 3, r, r]: white is right, red is too far, blue
    too near.
    """
    off = ((depth - true) / OFF).clamp(-1, 1)
    red, blue = off.clamp_min(0), -off.clamp_max(0)
    return 1 - 2 * torch.cat([0.75 * blue, 0.7 * (red + blue), 0.75 * red], 1)


def _lightly_turned(count: int, seed: int) -> Camera:
    rng = torch.Generator().manual_seed(seed)
    yaw, pitch = (torch.rand(2, count, generator=rng) * 2 - 1) * torch.tensor([[0.35], [0.2]])
    return Camera.orbit(yaw, pitch, focal=FOCAL)
