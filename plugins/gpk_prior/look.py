"""Can an embedded prior be believed? Figures that compare it with the procedural cats it was made to draw.

Every picture of the truth is one that no training saw: noise of other seeds, other cameras. What the figures answer:

    direct      does noise show the cat that it means?
    depth       is the surface where it should be, and is it this cat's surface?
    views       do two views agree through the generator's own depth?
    frechet     do a thousand of its pictures look like a thousand of the truth's?
    diversity   are its cats as different from each other as cats are?
    neighbours  does it draw the cat it was asked for, or one that it remembers?

Each figure stands beside the same figure of the procedural cats themselves: that is what it can reach.

Shapes: B batch, Z the cats' noise, R image side, N pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gpk.generator import Generator
from gpk.judges import FeatureDistance, Judge
from gpk.metrics import psnr
from gpk.seeding import in_parts
from gpk_eg3d.network import EG3D
from gpk_minicat.parameters import from_noise
from gpk_minicat.render import FAR, Photo
from gpk_prior import solid
from gpk_prior.crowd import frechet, mean_cosine, nearest
from gpk_prior.distortions import blurred
from gpk_prior.pictures import SIZE
from gpk_prior.unseen import another_photo, at, drawn, shown, truth

APART = 0.6
"""Radians of yaw between the two views that must agree."""
AT_ONCE = 128
"""Pictures that a network looks at together."""
RAYS = SIZE
"""Rays a side where depth is looked at: more than the generator was trained with, and as many as the truth has."""


@dataclass(frozen=True)
class Counts:
    """How many cats each figure takes; `crowd` is also bounded by the pictures that are there."""

    direct: int = 128
    inverted: int = 16
    solid: int = 32
    crowd: int = 1024
    neighbours: int = 64


QUICK = Counts(direct=16, inverted=4, solid=4, crowd=128, neighbours=8)
"""For a first look: everything shakes more, and the Frechet distances are larger, for they are biased by the count."""


def fidelity(image: Tensor, photo: Photo) -> dict[str, float]:
    """Mean PSNR in dB of pictures [N, 3, R, R] against the first N photos, of the whole and inside the cat."""
    true, mask = photo.image[: len(image)], photo.mask[: len(image)]
    return {
        "pictures": len(image),
        "psnr_db": psnr(image, true).mean().item(),
        "psnr_inside_db": psnr(image, true, mask).mean().item(),
    }


def depth(generator: EG3D, count: int, seed: int) -> dict[str, object]:
    """Frontal depth against the truth's, in world units and in heads, and the relief of the faces."""
    z, camera = drawn(count, seed)[0], at(0.0, count)
    photo, seen = truth(from_noise(z), camera), shown(generator, z, camera, rays=RAYS).depth
    assert seen is not None
    off = (seen.clamp_max(FAR) - photo.depth).abs()
    inside = (photo.mask > 0.99).to(off)
    error, error_inside = off.mean().item(), ((off * inside).sum() / inside.sum()).item()
    head = solid.head_width(from_noise(z)).mean().item()
    face = solid.face_of(photo.depth, photo.mask, camera)
    return {
        "cats": count,
        "error": error,
        "error_inside": error_inside,
        "head_width": head,
        "error_inside_heads": error_inside / head,
        "relief": solid.relief(seen, photo.depth, face),
    }


def views(generator: EG3D, count: int, seed: int) -> dict[str, object]:
    """How well two views of each cat agree through depth: the generator's own, the truth's, and a billboard's."""
    z = drawn(count, seed)[0]
    pair = at(-APART / 2, count), at(APART / 2, count)
    own, true = [], []
    for camera in pair:
        fine = shown(generator, z, camera, rays=RAYS).depth
        assert fine is not None
        own.append((shown(generator, z, camera).image, fine.clamp_max(FAR)))
        photo = truth(from_noise(z), camera)
        true.append((photo.image, photo.depth))
    made, real = (solid.Views(*zip(*sides, strict=True), pair) for sides in (own, true))  # type: ignore[arg-type]
    return {
        "cats": count,
        "yaw_apart_rad": APART,
        "generator": solid.agreement(made),
        "procedural": solid.agreement(real),
        "procedural_as_billboards": solid.agreement(solid.billboard(real)),
    }


@torch.no_grad()
def likeness(made: Tensor, real: Tensor, others: Tensor, reader: FeatureDistance) -> dict[str, float]:
    """Frechet distances to the procedural pictures `real` [N, 3, R, R]: of the generator's, of other cats, of `real`
    blurred.

    Features: the last stage of the reader, averaged over its places. All by as many pictures, and none by the pictures
    of `real` itself: a blurred picture would be too near to its own sharp one.
    """
    target = _read(reader, real)
    return {
        "pictures": len(made),
        "generator": frechet(_read(reader, made), target),
        "procedural": frechet(_read(reader, others), target),
        "blurred_half_pixel": frechet(_read(reader, blurred(others, 0.5)), target),
        "blurred_one_pixel": frechet(_read(reader, blurred(others, 1.0)), target),
    }


@torch.no_grad()
def diversity(made: Tensor, real: Tensor, reader: FeatureDistance, judge: Judge) -> dict[str, float]:
    """How different the cats of a crowd [N, 3, R, R] are: mean distance of N/2 pairs, and mean cosine of
    identity of all pairs, of the generator's and of the procedural ones.
    """
    return {
        "distance_generator": _pairs(made, reader),
        "distance_procedural": _pairs(real, reader),
        "cosine_generator": mean_cosine(features(judge, made)),
        "cosine_procedural": mean_cosine(features(judge, real)),
    }


@torch.no_grad()
def memory(generator: Generator, trained_on: Tensor, judge: Judge, count: int, seed: int) -> dict[str, float]:
    """`neighbours` of the generator, among the cats that it was trained on, unit features [M, F]."""
    z, camera = drawn(count, seed)
    params = from_noise(z)
    made = features(judge, shown(generator, z, camera).image)
    real = features(judge, truth(params, camera).image)
    other = features(judge, another_photo(params, seed + 1).image)
    return neighbours(made, real, other, trained_on)


def neighbours(made: Tensor, real: Tensor, other: Tensor, trained_on: Tensor) -> dict[str, float]:
    """Does a generator remember the cats [M, F] that it was trained on? Unit features [N, F] of its own cats, of the
    procedural ones that they are meant to be, and of those in other photos.

    Cosines of identity, means over cats. `nearest`: to the nearest of training. `own`: to the other photo. `own_first`:
    the share of cats whose other photo is nearer than all M of training. Each for the generator's cats, and with the
    procedural ones in their place, which remember nothing.
    """
    figures: dict[str, float] = {"cats": len(made), "training_cats": len(trained_on)}
    for name, cats in (("generator", made), ("procedural", real)):
        near, own = nearest(cats, trained_on), (cats * other).sum(1)
        figures |= {
            f"nearest_{name}": near.mean().item(),
            f"own_{name}": own.mean().item(),
            f"own_first_{name}": (own > near).float().mean().item(),
        }
    return figures


@torch.no_grad()
def features(judge: Judge, image: Tensor) -> Tensor:
    """What the judge sees in pictures [N, 3, R, R]: unit features [N, F]."""
    return in_parts(judge, image, size=AT_ONCE)


def _read(reader: FeatureDistance, image: Tensor) -> Tensor:
    return in_parts(lambda part: reader.features(part)[-1].mean((2, 3)), image, size=AT_ONCE)


def _pairs(image: Tensor, reader: FeatureDistance) -> float:
    half = len(image) // 2
    a, b = image[:half], image[half : 2 * half]
    return in_parts(reader, a, b, size=AT_ONCE).mean().item()
