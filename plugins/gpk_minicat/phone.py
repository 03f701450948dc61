"""A folder of a procedural cat as a phone leaves one: large photos with a small cat somewhere in each, and beside the
good ones everything that a person would have to sort out.

    DIR/raw/IMG_0001.jpg ...                         what `gpk prepare` is given: no crops, no labels
    DIR/held-out/img00000000.png ... dataset.json    the same cat, cropped and labelled, to be judged by
    DIR/truth.json                                   of every raw photo its kind, the cat's square and the camera

A photo is marched once in a window twice as wide as a crop, laid over a room out of focus, turned a little, and saved
as JPEG, some of them lying on their side with EXIF telling so.

Shapes: P parameters, H and W sides of a photo, R side of the window.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from gpk.camera import Camera
from gpk.errors import InputError
from gpk.portable import sampled_at
from gpk_minicat import paint
from gpk_minicat.album import new_folder, write_photos, write_truth
from gpk_minicat.cameras import random_cameras
from gpk_minicat.parameters import columns
from gpk_minicat.render import layers
from gpk_minicat.traits import ALL_TRAITS, Trait, individual, photos_of
from gpk_photos import write_jpeg

Kind = Literal["good", "stranger", "burst", "black", "mirrored", "blurred", "overexposed"]
SHARES: dict[Kind, float] = {
    "stranger": 0.2,
    "burst": 0.1,
    "black": 0.05,
    "mirrored": 0.1,
    "blurred": 0.05,
    "overexposed": 0.05,
}
"""What part of the folder each kind is; the rest is good."""

SIDES = ((1200, 900), (900, 1200), (1600, 1200), (1024, 768))
LARGE = (4000, 3000)
LARGE_EVERY = 12
"""Every so many photos one has a large sensor's pixels."""
TURNED = (1, 1, 1, 6, 8, 3)
"""EXIF's orientations, as often as they stand here."""
WINDOW = 2.0
"""Crops in the window that is marched: all of the cat, and some of the room."""
ROLL = math.radians(8)
MARCHED = 160
"""Pixels of the window: a crop of 80, which is more than a generator of 64 can use."""


@dataclass(frozen=True)
class Shot:
    """One raw photo: what it is, which photo it is a burst or a mirror image of, and how the cat lies in it.

    `left`, `top` and `side` are the square of the crop in pixels of the upright photo; `roll` in radians, clockwise;
    `label` is the camera that took it, of a mirrored one before its mirror.
    """

    name: str
    kind: Kind
    twin_of: str | None
    width: int
    height: int
    left: float
    top: float
    side: float
    roll: float
    orientation: int
    label: list[float]


def write_phone_folder(
    directory: Path, seed: int, *, photos: int = 40, held_out: int = 6, traits: Sequence[Trait] = ALL_TRAITS
) -> Path:
    """Writes a folder of `photos` raw photos of the individual that `seed` determines, SHARES of them bad, and returns
    it.

    A folder of the same settings that is there already is left alone. Raises as `album.write_album` does.
    """
    if photos < 10 or held_out < 0:
        raise InputError(f"a phone's folder needs ten photos or more: {photos}, and {held_out} held out")
    settings = {"phone": 1, "seed": seed, "photos": photos, "held_out": held_out, "traits": sorted(traits)}
    part = new_folder(directory, settings)
    if part is None:
        return directory
    with part as folder:
        rng = torch.Generator().manual_seed(seed)
        cat = individual(rng, sorted(traits))
        truth: dict[str, Any] = {"raw": _write_raw(folder / "raw", cat, photos, rng)}
        if held_out:
            truth["held-out"] = write_photos(folder / "held-out", cat, held_out, 64, rng)
        write_truth(folder, settings, truth)
    return directory


@torch.no_grad()
def _write_raw(folder: Path, cat: Tensor, count: int, rng: torch.Generator) -> dict[str, Mapping[str, Any]]:
    folder.mkdir()
    bad: list[Kind] = [kind for kind, share in SHARES.items() for _ in range(max(round(share * count), 1))]
    good_ones: list[Kind] = ["good"] * (count - len(bad))
    kinds: list[Kind] = [*good_ones, *bad]
    order = torch.randperm(count, generator=rng).tolist()  # names must not tell the kinds
    told: dict[str, Mapping[str, Any]] = {}
    good: list[tuple[Shot, Tensor]] = []
    for index, kind in enumerate(kinds):
        name = f"IMG_{order[index] + 1:04d}.jpg"
        who = individual(rng) if kind == "stranger" else cat
        params, shot = photos_of(who, 1, rng), _shot(name, kind, index, rng)
        if kind in ("burst", "mirrored"):  # of a photo that is there, so that only this is wrong with it
            first, params = good[index % len(good)]
            shot = _second(first, name, kind, rng)
        photo = taken(shot, params, rng)
        if kind == "good":
            good.append((shot, params))
        write_jpeg(folder / name, photo, orientation=shot.orientation)
        told[name] = asdict(shot)
    return dict(sorted(told.items()))


def taken(shot: Shot, params: Tensor, rng: torch.Generator) -> Tensor:
    """The photo [3, H, W] in [-1, 1] that `shot` describes of the cat [1, P]."""
    if shot.kind == "black":
        return torch.rand(3, shot.height, shot.width, generator=rng) * 0.02 - 1
    camera = Camera.from_label(torch.tensor(shot.label))
    wide = camera.intrinsics.clone()
    wide[:, [0, 1], [0, 1]] /= WINDOW
    picture = layers(params, Camera(camera.pose, wide), MARCHED)
    cat, mask = picture.cat, picture.mask
    if shot.kind == "mirrored":
        cat, mask = cat.flip(3), mask.flip(3)
    places = _places(shot)
    laid = sampled_at(torch.cat([cat, mask], 1), places)
    light = laid[:, :3] + (1 - laid[:, 3:]) * _room(shot, params, rng)
    photo = paint.white_balance(light.flatten(2), columns(params)).view_as(light)
    if shot.kind == "overexposed":
        photo = photo * 2.2 + 0.25
    if shot.kind == "blurred":
        coarse = max(round(12 * shot.width / shot.side), 2), max(round(12 * shot.height / shot.side), 2)
        photo = F.interpolate(photo, coarse[::-1], mode="bilinear", antialias=True)
        photo = F.interpolate(photo, (shot.height, shot.width), mode="bicubic")
    return (photo[0] * 2 - 1).clamp(-1, 1)


def _shot(name: str, kind: Kind, index: int, rng: torch.Generator) -> Shot:
    """How the cat lies in a photo, drawn at random: wholly inside, off the centre, in a third to a half of it."""
    draw = torch.rand(5, generator=rng).tolist()
    width, height = LARGE if index % LARGE_EVERY == LARGE_EVERY - 1 else SIDES[int(draw[0] * len(SIDES))]
    side = min(width, height) * (0.35 + 0.2 * draw[1])
    left, top = draw[2] * (width - side), draw[3] * (height - side)
    orientation = TURNED[int(draw[4] * len(TURNED))]
    roll = float((torch.rand(1, generator=rng) * 2 - 1) * ROLL)
    label = random_cameras(1, rng).label()[0].tolist()
    return Shot(name, kind, None, width, height, left, top, side, roll, orientation, label)


def _second(first: Shot, name: str, kind: Kind, rng: torch.Generator) -> Shot:
    """The same moment once more: a hand's tremble later, or seen in a mirror."""
    if kind == "mirrored":
        left = first.width - first.left - first.side
        return replace(first, name=name, kind=kind, twin_of=first.name, left=left, roll=-first.roll)
    dx, dy = ((torch.rand(2, generator=rng) * 2 - 1) * 0.01 * first.side).tolist()
    return replace(first, name=name, kind=kind, twin_of=first.name, left=first.left + dx, top=first.top + dy)


def _places(shot: Shot) -> Tensor:
    """Where in the window [-1, 1] each of the photo's pixels lies: [1, H, W, 2]."""
    y, x = torch.meshgrid(torch.arange(shot.height) + 0.5, torch.arange(shot.width) + 0.5, indexing="ij")
    half = shot.side * WINDOW / 2
    x, y = (x - shot.left - shot.side / 2) / half, (y - shot.top - shot.side / 2) / half
    cos, sin = math.cos(shot.roll), math.sin(shot.roll)
    return torch.stack([cos * x + sin * y, cos * y - sin * x], 2)[None]


def _room(shot: Shot, params: Tensor, rng: torch.Generator) -> Tensor:
    """A room out of focus [1, 3, H, W]: a wall of the background's colour with soft light and shade, and a floor."""
    seeded = torch.Generator().manual_seed(round(1e6 * shot.side))  # a burst stands in the same room
    colour = torch.cat([columns(params)[name] for name in ("red", "green", "blue")], 1)[..., None, None]
    shade = F.interpolate(torch.rand(1, 1, 4, 5, generator=seeded), (shot.height, shot.width), mode="bicubic")
    down = torch.linspace(0, 1, shot.height)[:, None]
    floor = torch.sigmoid((down * shot.height - shot.top - 1.35 * shot.side) / (0.04 * shot.height))
    return colour * (0.85 + 0.3 * (shade - 0.5)) * (1.08 - 0.2 * down) * (1 - 0.3 * floor)
