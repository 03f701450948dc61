"""The examination of the bundled judges, on individuals that no training saw: pictures here, figures in `ranking` and
`verification`.

The distances are shown photos beside copies of them that are spoilt more and more; with one eye of another colour, with
a patch or a torn ear taken away, with another muzzle, nose or lids; and beside another cat in the same pose. Mean
squared error sees the same. The judge of identity is shown strangers, twins that differ in one trait, and blurred
photos; the attributes, every photo of every cat, with one set of traits.

Shapes: B photos, S strengths, K individuals, M photos each, V sets of traits, R image side, F features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gpk.camera import Camera
from gpk.judges import Attributes, Distance, Judge
from gpk_bench.verification import verification
from gpk_minicat.parameters import IDENTITY, NAMES, PARAMETERS
from gpk_minicat.readings import explained, readings
from gpk_minicat.render import coats, compose
from gpk_minicat.traits import ALL_TRAITS, with_traits
from gpk_prior.distortions import blurred, brighter, noisy, quantised, shifted, turned, warmer
from gpk_prior.individuals import PHOTOS, SETS, Individuals, render_individuals
from gpk_prior.pictures import SIZE
from gpk_prior.ranking import ladder, orders
from gpk_prior.verification import told_apart, twin_cosines

SEED = 9
"""The seed of shards that no recipe trains on."""

FITTED = ("blur", "noise", "shift", "other eye", "no patch", "whole ear")
"""The kinds of distortions that the channels' weights were fitted to, on other cats; the rest is new to them."""

THIRDS = (0.33, 0.67, 1.0)
UNSEEN = ("noise 0.02", "shift 0.5")
LIGHT = ("blur 0.5", "noise 0.05", "shift 1.0", "brightness 0.05", "warmth 0.05", "hue 10.0", "blocks 0.1")
TRAITS = ("other eye", "no patch", "whole ear")
SUBTLE = ("other muzzle", "other nose", "other lids")
CHANGED = tuple(f"{kind} 1.0" for kind in (*TRAITS, *SUBTLE))
ORDERS = (
    *((unseen, changed) for unseen in UNSEEN for changed in CHANGED),
    *((light, "other cat") for light in (*LIGHT, *CHANGED)),
)


@dataclass(frozen=True)
class Exhibits:
    """Photos [B, 3, R, R]; by kind, strengths and the copies [B, 3, R, R] at each; another cat in every photo's pose,
    light and mood, before its background.
    """

    photo: Tensor
    copies: Mapping[str, Mapping[float, Tensor]]
    other: Tensor


def examine(
    work: Path,
    distances: Mapping[str, Distance],
    judge: Judge,
    attributes: Attributes,
    *,
    seed: int = SEED,
    photos: int = 48,
) -> dict[str, object]:
    """What distances, judge and attributes are worth on individuals of this seed; their shard is rendered into `work`
    once.

    `photos` of the individuals are exhibited to the distances.
    """
    individuals = Individuals([render_individuals(work, seed, 0)])
    with torch.no_grad():
        shown = exhibits(individuals, photos, torch.Generator().manual_seed(seed))
        return {
            "individuals": len(individuals),
            "distances": {name: grade(distance, shown) for name, distance in distances.items()},
            "identity": recognition(judge, individuals),
            "attributes": reading(attributes, individuals),
        }


def squared_error(a: Tensor, b: Tensor) -> Tensor:
    """The mean squared error [B], for comparison: what needs no network."""
    return (a - b).square().mean((1, 2, 3))


def exhibits(individuals: Individuals, count: int, rng: torch.Generator) -> Exhibits:
    """Photos of `count` individuals with patch and torn ear, one each, and their copies."""
    rows = torch.arange(0, len(individuals.params), PHOTOS)[:count]
    params, camera = individuals.params[rows], Camera.from_label(individuals.label[rows])
    whole = with_traits(params, ["eye-patch", "torn-ear"])
    eyes = {k: _with(whole, "odd_eyes", k) for k in THIRDS}
    patches = {k: _with(whole, "eye_patch", 1 - k) for k in THIRDS}
    ears = {k: _with(whole, "torn_ear", 1 - k) for k in THIRDS}
    muzzles, noses, lids = ({k: _moved(whole, name, k) for k in THIRDS} for name in ("muzzle", "nose", "openness"))
    stranger = whole.clone()
    stranger[:, : len(IDENTITY)] = whole.roll(1, 0)[:, : len(IDENTITY)]
    paints = {"other eye": eyes, "no patch": patches, "other nose": noses, "other lids": lids}
    photo, *painted = _photos([whole, *(variant for kind in paints.values() for variant in kind.values())], camera)
    drawn = iter(painted)
    copies = {
        "blur": {k: blurred(photo, k) for k in (0.5, 1.0, 2.0, 4.0)},
        "noise": {k: noisy(photo, k, rng) for k in (0.02, 0.05, 0.1, 0.2)},
        "shift": {k: shifted(photo, k) for k in (0.5, 1.0, 2.0, 4.0)},
        "brightness": {k: brighter(photo, k) for k in (0.05, 0.1, 0.2, 0.4)},
        "warmth": {k: warmer(photo, k) for k in (0.05, 0.1, 0.2, 0.4)},
        "hue": {k: turned(photo, k) for k in (10.0, 20.0, 40.0, 80.0)},
        "blocks": {k: quantised(photo, k) for k in (0.1, 0.2, 0.4, 0.8)},
        **{kind: {k: next(drawn) for k in variants} for kind, variants in paints.items()},
        "whole ear": {k: _photos([changed], camera)[0] for k, changed in ears.items()},
        "other muzzle": {k: _photos([changed], camera)[0] for k, changed in muzzles.items()},
    }
    return Exhibits(photo, copies, _photos([stranger], camera)[0])


def grade(distance: Distance, shown: Exhibits) -> dict[str, object]:
    """How a distance ranks the exhibits: a ladder for each kind, and the order across kinds.

    A change of the cat that cannot be seen in a photo (fewer than four pixels change by a tenth of the range) does
    not count in the order.
    """
    kinds, single = {}, {"other cat": distance(shown.other, shown.photo)}
    for kind, copies in shown.copies.items():
        found = torch.stack([distance(copy, shown.photo) for copy in copies.values()])
        kinds[kind] = ladder(list(copies), found) | {"fitted": kind in FITTED}
        for strength, values in zip(copies, found, strict=True):
            single[f"{kind} {strength}"] = values
    for kind in (*TRAITS, *SUBTLE):
        changed = (shown.copies[kind][1.0] - shown.photo).abs().amax(1) > 0.2
        single[f"{kind} 1.0"] = single[f"{kind} 1.0"].masked_fill(changed.sum((1, 2)) < 4, float("nan"))
    means = {name: round(single[name].nanmean().item(), 4) for name in (*UNSEEN, *CHANGED, "other cat")}
    return {"kinds": kinds, "means": means, "order": orders(single, ORDERS)}


def recognition(judge: Judge, individuals: Individuals) -> dict[str, object]:
    """How well a judge verifies strangers, and tells twins apart at the threshold found there: by trait, in all views
    and from the front (both photos within 0.3 of yaw and 0.2 of pitch); and how a cat is known again in a blurred
    photo, by the blur in pixels: the mean cosine with its other photos, and the part that passes the threshold.
    """
    rows = torch.arange(len(individuals.params)).repeat_interleave(len(SETS))
    sets = torch.arange(len(SETS)).repeat(len(individuals.params))
    images = (individuals.take(r, s).image for r, s in zip(rows.split(64), sets.split(64), strict=True))
    features = torch.cat([judge(image) for image in images]).unflatten(0, (-1, PHOTOS, len(SETS)))
    each, photos = torch.arange(len(features)), torch.arange(len(individuals.params))
    clear = features[each, :, each % len(SETS)]
    strangers = verification(clear.flatten(0, 1), each.repeat_interleave(PHOTOS))
    blurs: dict[str, object] = {}
    for sigma in (0.5, 1.0, 2.0):
        image = individuals.take(photos, photos // PHOTOS % len(SETS)).image
        soft = torch.cat([judge(blurred(part, sigma)) for part in image.split(64)]).view_as(clear)
        cosines = (soft @ clear.mT)[:, ~torch.eye(PHOTOS, dtype=torch.bool)]
        passed = (cosines >= strangers["threshold"]).double().mean().item()
        blurs[str(sigma)] = _rounded({"cosine_same": cosines.mean().item(), "passed": passed})
    x, y, z = Camera.from_label(individuals.label).pose[:, :3, 3].unbind(1)
    front = ((torch.atan2(x, z).abs() < 0.3) & (torch.asin(y / 2.7).abs() < 0.2)).view(-1, PHOTOS)
    twins: dict[str, object] = {}
    for views, seen in (("all", torch.ones_like(front)), ("front", front)):
        twins[views] = {
            trait: _rounded(told_apart(*twin_cosines(features, bit, seen), strangers["threshold"]))
            for bit, trait in zip((4, 2, 1), ALL_TRAITS, strict=True)
        }
    return {"strangers": _rounded(strangers), "twins": twins, "blurred": blurs}


def reading(attributes: Attributes, individuals: Individuals) -> dict[str, float]:
    """R^2 of each of the attributes, which are READINGS, by name."""
    rows = torch.arange(len(individuals.params))
    shown = individuals.take(rows, rows // PHOTOS % len(SETS))
    got = torch.cat([attributes(part) for part in shown.image.split(64)])
    return explained(readings(shown.params, shown.camera), got)


def _with(params: Tensor, name: str, amount: float) -> Tensor:
    params = params.clone()
    params[:, NAMES.index(name)] = amount
    return params


def _moved(params: Tensor, name: str, amount: float) -> Tensor:
    """The cats with one parameter moved by this part of the way to the further end of its range."""
    parameter = PARAMETERS[NAMES.index(name)]
    now = params[:, NAMES.index(name)]
    far = torch.where(now - parameter.low > parameter.high - now, parameter.low, parameter.high)
    moved = params.clone()
    moved[:, NAMES.index(name)] = now + amount * (far - now)
    return moved


def _photos(variants: list[Tensor], camera: Camera) -> list[Tensor]:
    """Photos [B, 3, R, R] of cats that differ in paint alone, rendered a few at a time."""
    parts = []
    for rows in torch.arange(len(camera)).split(8):
        at = slice(int(rows[0]), int(rows[-1]) + 1)
        drawn = coats([v[at] for v in variants], camera[at], SIZE)
        parts.append([compose(d, v[at], camera[at]).image for d, v in zip(drawn, variants, strict=True)])
    return [torch.cat(column) for column in zip(*parts, strict=True)]


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in figures.items()}
