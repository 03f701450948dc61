"""Cats that no training saw, as the procedural renderer shows them and as a generator does.

Noise of the prior is continuous, so cats of any other seed than training's are new ones.

Shapes: N pictures, Z the cats' noise, P parameters, R image side.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from gpk.camera import Camera
from gpk.generator import Generator, Render
from gpk.seeding import parts
from gpk_eg3d.network import EG3D
from gpk_minicat.cameras import FOCAL, noise_of, random_cameras
from gpk_minicat.parameters import IDENTITY, PRIOR, from_noise
from gpk_minicat.render import Photo, render
from gpk_minicat.store import load_tensors
from gpk_prior.pictures import SHARD, SIZE, Batch, Pictures, render_shard
from gpk_prior.train import Recipe

PART = 16
"""Pictures at once."""


def drawn(count: int, seed: int) -> tuple[Tensor, Camera]:
    """Noise [N, Z] and random cameras of cats that no training saw."""
    rng = torch.Generator().manual_seed(9_000_011 * (seed + 1))
    return torch.randn(count, len(PRIOR), generator=rng), random_cameras(count, rng)


def at(yaw: float, count: int, pitch: float = 0.0) -> Camera:
    """One camera at these angles (EG3D's convention, radians), `count` times."""
    return Camera.orbit(torch.full((count,), yaw), pitch, focal=FOCAL)


@torch.no_grad()
def shown(generator: Generator, z: Tensor, camera: Camera, *, rays: int | None = None) -> Render:
    """What the generator shows of the cats z [N, Z] by the cameras; `rays` a side before super-resolution in 3D."""
    views = []
    if generator.latent.z_dim != z.shape[1]:  # a 2D prior is told the view in its noise
        z = noise_of(z, camera)
    for rows in parts(len(z), PART):
        w = generator.mapping(z[rows])
        if isinstance(generator, EG3D):
            views.append(generator.view(generator.planes(w), w, camera[rows], resolution=rays))
        else:
            views.append(generator(w))
    image, *others = zip(*views, strict=True)
    return Render(torch.cat(image), *(None if column[0] is None else torch.cat(column) for column in others))


@torch.no_grad()
def truth(params: Tensor, camera: Camera) -> Photo:
    """The photos of the procedural cats [N, P]."""
    photos = [render(params[rows], camera[rows], SIZE) for rows in parts(len(params), PART)]
    return Photo(*(torch.cat(column) for column in zip(*photos, strict=True)))


def unseen(count: int, seed: int) -> Batch:
    """Cats that no training saw, by random cameras, with their photos."""
    z, camera = drawn(count, seed)
    return Batch(z, from_noise(z), camera, truth(from_noise(z), camera))


def another_photo(params: Tensor, seed: int) -> Photo:
    """The same cats [N, P] another time: from another side, in other light and mood, before another background."""
    z, camera = drawn(len(params), seed)
    kept = params.clone()
    kept[:, len(IDENTITY) : len(PRIOR)] = from_noise(z)[:, len(IDENTITY) : len(PRIOR)]
    return truth(kept, camera)


def shards_of(weights: Path, folder: Path, *, count: int = SHARD) -> tuple[Path, list[Path]]:
    """Of the shards that the weights were trained with, as their file tells: the last, which training left out, and
    those that it saw and that are in the folder.

    What is missing is rendered into the folder, `count` pictures a shard: the last one, and the first two where there
    is none of training. A file that tells nothing counts as trained by the recipe. Raises WeightsError where `weights`
    cannot be read.
    """
    recipe = asdict(Recipe()) | load_tensors(weights)[1].get("training", {}).get("recipe", {})
    seed = recipe["seed"]
    last = render_shard(folder, seed, recipe["shards"] - 1, count=count)
    trained_on = [path for path in sorted(folder.glob(f"cats-{seed}-*.safetensors")) if path.name < last.name]
    return last, trained_on or [render_shard(folder, seed, i, count=count) for i in range(2)]


def pictures_in(shard: Path, count: int | None = None) -> Tensor:
    """The first `count` pictures [N, 3, R, R] of a shard, all where None, on the backgrounds of their own noise."""
    pictures = Pictures([shard])
    return pictures.tail(len(pictures)).photo.image[:count]
