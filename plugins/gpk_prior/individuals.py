"""Photos of many individuals and of their twins: what the distances and the identity judge learn from.

A shard holds CATS individuals in PHOTOS photos each, and every photo eight times over: once for each set of the three
traits, with nothing else changed. The same individual with another set of traits is a *twin*, another cat. A rendered
photo's shape is marched twice, with the ear whole and torn, and painted four times each, so eight twins cost as much
as three strangers. As in `pictures`, backgrounds are left out and drawn anew whenever a photo is used; the prior
itself has no traits.

Shapes: K individuals, M photos each, V sets of traits, P parameters, R image side, B batch.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gpk.camera import Camera
from gpk_minicat.cameras import random_cameras
from gpk_minicat.parameters import NAMES, PRIOR, from_noise
from gpk_minicat.render import Layers, coats, compose
from gpk_minicat.store import load_tensors, save_tensors
from gpk_minicat.traits import ALL_TRAITS, Trait, individual, photos_of, with_traits
from gpk_prior.pictures import BEHIND, SIZE, bytes_of

CATS, PHOTOS = 64, 6
CHUNK = 8  # marching is quickest where its points fit into a processor's cache
SETS: tuple[tuple[Trait, ...], ...] = tuple(
    tuple(trait for trait, on in zip(ALL_TRAITS, bits, strict=True) if on)
    for bits in itertools.product((0, 1), repeat=len(ALL_TRAITS))
)
"""Every set of traits; its place, written in binary, has a digit for each trait."""


@dataclass(frozen=True)
class Portraits:
    """Pictures [B, 3, R, R] in [-1, 1], the parameters [B, P], the cameras, who it is [B], twins counted apart."""

    image: Tensor
    params: Tensor
    camera: Camera
    who: Tensor


def render_individuals(work: Path, seed: int, index: int, *, cats: int = CATS) -> Path:
    """Render shard `index` of individuals and twins into the folder unless it is there already, and return its path."""
    path = work / f"twins-{seed}-{index:03d}.safetensors"
    if path.exists():
        return path
    rng = torch.Generator().manual_seed(3_000_017 * seed + 7927 * index + 2)
    params = torch.cat([photos_of(individual(rng), PHOTOS, rng) for _ in range(cats)])
    camera = random_cameras(len(params), rng)
    with torch.no_grad():
        parts = [_twins(params[i : i + CHUNK], camera[slice(i, i + CHUNK)], SIZE) for i in range(0, len(params), CHUNK)]
    cat, mask = (torch.cat(column) for column in zip(*parts, strict=True))
    save_tensors(
        path, {"params": params, "label": camera.label(), "cat": cat, "mask": mask}, {"seed": seed, "index": index}
    )
    return path


class Individuals:
    """Shards in memory, from which photos of several individuals and their twins are drawn."""

    def __init__(self, paths: list[Path]) -> None:
        shards = [load_tensors(path)[0] for path in paths]
        self.params, self.label, self.cat, self.mask = (
            torch.cat([s[k] for s in shards]) for k in ("params", "label", "cat", "mask")
        )

    def __len__(self) -> int:
        """The number of individuals, twins not counted."""
        return len(self.params) // PHOTOS

    def batch(self, cats: int, photos: int, rng: torch.Generator, *, twins: int = 1) -> Portraits:
        """`photos` different photos of each of `twins` different twins of `cats` individuals (or all), on fresh
        backgrounds, in fresh warmth.

        Pictures come by individual, then twin, then photo; two twins are seen in photos drawn apart.
        """
        cat = torch.randperm(len(self), generator=rng)[:cats]
        traits = torch.rand(len(cat), len(SETS), generator=rng).argsort(1)[:, :twins].flatten()
        cat = cat.repeat_interleave(twins)
        which = torch.rand(len(cat), PHOTOS, generator=rng).argsort(1)[:, :photos]
        rows = (cat[:, None] * PHOTOS + which).flatten()
        fresh = from_noise(torch.randn(len(rows), len(PRIOR), generator=rng))
        return self.take(rows, traits.repeat_interleave(photos), behind=fresh)

    def take(self, rows: Tensor, traits: Tensor, *, behind: Tensor | None = None) -> Portraits:
        """The photos in these rows [B] of the twins with these sets of traits [B], places in SETS; on the backgrounds
        and in the warmth of the cats `behind` [B, P], or on their own.
        """
        switched_on = torch.cat([with_traits(torch.zeros(1, len(NAMES)), some) for some in SETS])
        params = self.params[rows] + switched_on[traits]
        if behind is not None:
            columns = [NAMES.index(name) for name in BEHIND]
            params[:, columns] = behind[:, columns]
        camera = Camera.from_label(self.label[rows])
        torn = params[:, NAMES.index("torn_ear")].long()
        cat, mask = self.cat[rows, traits].float() / 255, self.mask[rows, torn].float() / 255
        who = rows // PHOTOS * len(SETS) + traits
        return Portraits(compose(Layers(cat, mask, mask), params, camera).image, params, camera, who)


def _twins(params: Tensor, camera: Camera, size: int) -> tuple[Tensor, Tensor]:
    """The photos of cats without traits [B, P] with every set of traits, as bytes: [B, V, 3, R, R], masks [B, 2, 1, R,
    R] with the ear whole and torn.
    """
    painted: dict[tuple[Trait, ...], Tensor] = {}
    masks = []
    for torn in (False, True):
        sets = [traits for traits in SETS if ("torn-ear" in traits) == torn]
        pictures = coats([with_traits(params, traits) for traits in sets], camera, size)
        painted |= {traits: bytes_of(picture.cat) for traits, picture in zip(sets, pictures, strict=True)}
        masks.append(bytes_of(pictures[0].mask))
    return torch.stack([painted[traits] for traits in SETS], 1), torch.stack(masks, 1)
