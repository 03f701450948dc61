"""Photos of many individuals, traits included: what the distance and the identity judge are trained on.

A shard holds CATS individuals with PHOTOS photos each, without their backgrounds, as `pictures` does. Each trait is
on for a part of the individuals; the prior itself has none.

Shapes: K individuals, M photos each, P parameters, R image side.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from corekit.camera import Camera
from gpk_minicat.parameters import NAMES, PRIOR, from_noise
from gpk_minicat.pictures import CHUNK, SIZE, bytes_of, random_cameras
from gpk_minicat.render import Layers, compose, layers
from gpk_minicat.store import load_tensors, save_tensors
from gpk_minicat.traits import ALL_TRAITS, individual, photos_of, with_traits

CATS, PHOTOS = 128, 8
TRAIT_SHARE = 0.3


@dataclass(frozen=True)
class Portraits:
    """Pictures [B, 3, R, R] in [-1, 1], the parameters [B, P], the cameras, who it is [B]."""

    image: Tensor
    params: Tensor
    camera: Camera
    who: Tensor


def render_individuals(work: Path, seed: int, index: int, *, cats: int = CATS) -> Path:
    """Render shard `index` of individuals into the folder unless it is there already, and return its path."""
    path = work / f"individuals-{seed}-{index:03d}.safetensors"
    if path.exists():
        return path
    rng = torch.Generator().manual_seed(2_000_003 * seed + 7919 * index + 1)
    everyone = []
    for _ in range(cats):
        on = torch.rand(len(ALL_TRAITS), generator=rng) < TRAIT_SHARE
        cat = with_traits(individual(rng), [trait for trait, has in zip(ALL_TRAITS, on.tolist(), strict=True) if has])
        everyone.append(photos_of(cat, PHOTOS, rng))
    params, camera = torch.cat(everyone), random_cameras(cats * PHOTOS, rng)
    parts = []
    with torch.no_grad():
        for i in range(0, len(params), CHUNK):
            parts.append(layers(params[i : i + CHUNK], camera[slice(i, i + CHUNK)], SIZE)[:2])
    cat, mask = (torch.cat(column) for column in zip(*parts, strict=True))
    tensors = {"params": params, "label": camera.label(), "cat": bytes_of(cat), "mask": bytes_of(mask)}
    save_tensors(path, tensors, {"seed": seed, "index": index})
    return path


class Individuals:
    """Shards in memory, from which photos of several individuals are drawn."""

    def __init__(self, paths: list[Path]) -> None:
        shards = [load_tensors(path)[0] for path in paths]
        self.params, self.label, self.cat, self.mask = (
            torch.cat([s[k] for s in shards]) for k in ("params", "label", "cat", "mask")
        )

    def __len__(self) -> int:
        """The number of individuals."""
        return len(self.params) // PHOTOS

    def batch(self, cats: int, photos: int, rng: torch.Generator) -> Portraits:
        """`photos` different photos of `cats` individuals (or all), on fresh backgrounds, in fresh warmth."""
        who = torch.randperm(len(self), generator=rng)[:cats]
        which = torch.rand(len(who), PHOTOS, generator=rng).argsort(1)[:, :photos]
        chosen = (who[:, None] * PHOTOS + which).flatten()
        params = self.params[chosen].clone()
        behind = [NAMES.index(name) for name in ("red", "green", "blue", "warmth")]
        params[:, behind] = from_noise(torch.randn(len(params), len(PRIOR), generator=rng))[:, behind]
        return self._photos(chosen, params, who.repeat_interleave(photos))

    def all(self) -> Portraits:
        """Every photo as it was rendered."""
        everything = torch.arange(len(self.params))
        return self._photos(everything, self.params, everything // PHOTOS)

    def _photos(self, chosen: Tensor, params: Tensor, who: Tensor) -> Portraits:
        camera = Camera.from_label(self.label[chosen])
        cat, mask = self.cat[chosen].float() / 255, self.mask[chosen].float() / 255
        return Portraits(compose(Layers(cat, mask, mask), params, camera).image, params, camera, who)
