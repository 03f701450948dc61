"""Pictures as a telephone takes them: a procedural cat somewhere in a room, near or far, leaning a little, and where in
them its head is framed as the prior's pictures frame it.

For training, cats are rendered once, from so wide an angle that they are whole, and pasted into ever new rooms. The
pictures of an examination (`photographed`) are rendered as a whole, through a camera that was turned away and zoomed
out, so that nothing in them was ever pasted or resampled. In both the square of the head is known exactly: the middle
of a picture of the prior is the world's origin, and its side the field of view.

Shapes: B batch, P parameters, H and W sides of a picture, S side of a square one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from gpk.camera import Camera
from gpk.framing import Square
from gpk_minicat.cameras import random_cameras
from gpk_minicat.parameters import NAMES
from gpk_minicat.render import layers
from gpk_minicat.store import load_tensors, save_tensors
from gpk_minicat.traits import ALL_TRAITS, individual, photos_of, with_traits
from gpk_prior.distortions import blurred
from gpk_prior.pictures import bytes_of

SHARD, CHUNK = 128, 8
WIDE = 1.8
"""How many of the prior's fields of view a rendered cat is shown in: enough for all of it."""
SIZE = 96
SHAPES = 4
"""Things that lie around in a room, at most."""


@dataclass(frozen=True)
class Scenes:
    """Pictures [B, 3, S, S] in [-1, 1] and the squares of the heads in them: middles `x`, `y` and `side` in pixels,
    `roll` in degrees, each [B]; `there` [B] is false where nobody is.
    """

    image: Tensor
    x: Tensor
    y: Tensor
    side: Tensor
    roll: Tensor
    there: Tensor


def random_cats(count: int, rng: torch.Generator) -> Tensor:
    """Photos [B, P] of `count` individuals with any traits."""
    params = torch.cat([photos_of(individual(rng), 1, rng) for _ in range(count)])
    switched = torch.rand(count, len(ALL_TRAITS), generator=rng) < 0.3
    on = with_traits(torch.zeros(1, len(NAMES)), ALL_TRAITS)
    columns = [NAMES.index(trait.replace("-", "_")) for trait in ALL_TRAITS]
    params[:, columns] = on[:, columns] * switched
    return params


def render_heads(work: Path, seed: int, index: int, *, count: int = SHARD) -> Path:
    """Render shard `index` of whole cats into the folder unless it is there already, and return its path."""
    path = work / f"heads-{seed}-{index:03d}.safetensors"
    if path.exists():
        return path
    rng = torch.Generator().manual_seed(5_000_011 * seed + 7919 * index + 3)
    params, camera = random_cats(count, rng), zoomed(random_cameras(count, rng), WIDE)
    with torch.no_grad():
        parts = [layers(params[i : i + CHUNK], camera[slice(i, i + CHUNK)], SIZE) for i in range(0, count, CHUNK)]
    cat, mask = (torch.cat([getattr(part, name) for part in parts]) for name in ("cat", "mask"))
    save_tensors(path, {"cat": bytes_of(cat), "mask": bytes_of(mask)}, {"seed": seed, "index": index})
    return path


def zoomed(camera: Camera, factor: float) -> Camera:
    """Cameras that show `factor` as many fields of view."""
    intrinsics = camera.intrinsics.clone()
    intrinsics[:, [0, 1], [0, 1]] /= factor
    return Camera(camera.pose, intrinsics)


class Heads:
    """Shards of whole cats in memory, from which scenes are drawn."""

    def __init__(self, paths: list[Path]) -> None:
        shards = [load_tensors(path)[0] for path in paths]
        self.cats = torch.cat([torch.cat([shard["cat"], shard["mask"]], 1) for shard in shards])

    def __len__(self) -> int:
        return len(self.cats)

    def batch(self, size: int, side: int, rng: torch.Generator) -> Scenes:
        """`size` scenes of `side`: half of the heads anywhere, of any size and leaning up to 30 degrees; half nearly
        upright in the middle, as they are when a finder looks closer; in every tenth picture nobody.
        """
        cats = self.cats[torch.randint(len(self), (size,), generator=rng)].float() / 255
        u = torch.rand(7, size, generator=rng)
        cats = torch.where((u[6] < 0.5)[:, None, None, None], cats, cats.flip(-1))
        anywhere = u[0] < 0.5
        wide = 0.18 * (1.2 / 0.18) ** u[1]
        share = torch.where(anywhere, wide, 0.5 * 1.25 ** (2 * u[1] - 1))
        reach = torch.where(anywhere, 0.46, 0.08)
        x, y = 0.5 + reach * (2 * u[2] - 1), 0.5 + reach * (2 * u[3] - 1)
        roll = torch.where(anywhere, 32.0, 13.0) * (2 * u[4] - 1)
        there = u[5] > 0.1
        places = zip(cats, x.tolist(), y.tolist(), share.tolist(), roll.tolist(), strict=True)
        pasted = torch.cat([_pasted(cat[None], *place, side=side) for cat, *place in places])
        pasted = pasted * there[:, None, None, None]
        room = rooms(size, side, side, rng)
        light = 0.75 + 0.5 * torch.rand(size, 3, 1, 1, generator=rng)
        image = worn(pasted[:, :3] * light + (1 - pasted[:, 3:]) * room, rng)
        return Scenes(image * 2 - 1, x * side, y * side, share * side, roll, there)


def _pasted(cat: Tensor, x: float, y: float, share: float, roll: float, *, side: int) -> Tensor:
    """The cat [1, 4, SIZE, SIZE] with its head's square at (x, y), of `share`, all in units of the picture's side."""
    shrunk = 1
    while SIZE / WIDE / shrunk > 1.5 * share * side and shrunk < 8:  # or thin things would flicker
        shrunk *= 2
    cat = F.avg_pool2d(cat, shrunk)
    turn, scale = math.radians(roll), 1 / (share * WIDE)
    c, s = scale * math.cos(turn), scale * math.sin(turn)
    # torch's places run from -1 to 1.
    right, down = 2 * x - 1, 2 * y - 1
    theta = torch.tensor([[[c, s, -c * right - s * down], [-s, c, s * right - c * down]]])
    grid = F.affine_grid(theta, [1, 4, side, side], align_corners=False)
    return F.grid_sample(cat, grid, align_corners=False)


def rooms(count: int, height: int, width: int, rng: torch.Generator) -> Tensor:
    """Pictures [B, 3, H, W] in [0, 1] of nothing: soft patches of colour, and boxes and discs before them."""
    size = (height, width)
    colour = torch.rand(count, 3, 1, 1, generator=rng)
    for cells, strength in ((3, 0.25), (9, 0.15), (40, 0.08)):
        noise = torch.randn(count, 3, cells, cells, generator=rng) * torch.rand(count, 1, 1, 1, generator=rng)
        colour = colour + strength * F.interpolate(noise, size, mode="bilinear", align_corners=False)
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    for _ in range(SHAPES):
        u = torch.rand(count, 9, 1, 1, generator=rng)
        turn = math.pi * u[:, 2]
        across = (x - u[:, 0]) * turn.cos() + (y - u[:, 1]) * turn.sin()
        along = (y - u[:, 1]) * turn.cos() - (x - u[:, 0]) * turn.sin()
        across, along = across / (0.02 + 0.3 * u[:, 3] ** 2), along / (0.02 + 0.3 * u[:, 4] ** 2)
        disc = across.square() + along.square() < 1
        box = torch.maximum(across.abs(), along.abs()) < 1
        shape = torch.where(u[:, 5] < 0.5, disc, box) & (u[:, 8] < 0.6)
        tone = torch.rand(count, 3, 1, 1, generator=rng)
        colour = torch.where(shape[:, None], tone, colour)
    return colour.clamp(0, 1)


def worn(image: Tensor, rng: torch.Generator) -> Tensor:
    """Pictures [B, 3, H, W] in [0, 1] as cameras leave them: another exposure, a little blur, a little noise."""
    count = len(image)
    gain, gamma = torch.rand(2, count, 1, 1, 1, generator=rng)
    image = (image * (0.8 + 0.4 * gain)).clamp(1e-3, 1) ** (0.7 + 0.6 * gamma)
    soft = (torch.rand(count, 1, 1, 1, generator=rng) * 2 - 1).clamp_min(0)
    image = image + soft * (blurred(image, 1.0) - image)
    noise = torch.randn(image.shape, generator=rng) * torch.rand(count, 1, 1, 1, generator=rng) * 0.05
    return (image + noise).clamp(0, 1)


def photographed(params: Tensor, camera: Camera, square: Square, height: int, width: int, room: Tensor) -> Tensor:
    """A photo [3, H, W] in [-1, 1] of the cat [1, P], rendered as a whole before a `room` [3, H, W] in [0, 1], in which
    `square` shows what a picture of the prior by this camera would.
    """
    size = 4 * math.ceil(max(height, width) / 4)
    turn = math.radians(square.roll)
    c, s = math.cos(turn), math.sin(turn)
    # A head that leans clockwise is a camera turned the other way round the axis through the head.
    rotation = torch.tensor([[c, s, 0.0, 0.0], [-s, c, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    intrinsics = camera.intrinsics.clone()
    intrinsics[:, [0, 1], [0, 1]] *= square.side / size
    intrinsics[:, 0, 2], intrinsics[:, 1, 2] = square.x / size, square.y / size
    with torch.no_grad():
        picture = layers(params, Camera(camera.pose @ rotation, intrinsics), size, supersample=1)
    cat, mask = (layer[0, :, :height, :width] for layer in (picture.cat, picture.mask))
    return (cat + (1 - mask) * room) * 2 - 1
