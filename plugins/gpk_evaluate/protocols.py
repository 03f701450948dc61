r"""My3DGen's protocols: each looks at a subject through the generator as it is now, and gives figures and pictures.

    inversion       Table 1, and appendix D without PTI     held-out photos, placed in the hull
    interpolation   Fig. 4                                  paths between anchors, seen from many sides
    synthesis       Table 2                                 pictures drawn from the hull
    restoration     Table 3                                 held-out photos with a hole, or too coarse
    editing         Table 4                                 anchors moved along an attribute's direction

Likeness is ID_sim (Eq. 2) to the photos learned from. Each raises InputError where its scene lacks what it needs.

Shapes: N photos, M anchors, B pictures, E examples, L latent layers, D latent width, R image side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor

from gpk.album import Album, resize
from gpk.attach import attached, merged
from gpk.context import Context
from gpk.damage import Coarse, Damage, Hole, square_hole
from gpk.directions import edited_codes, moved_along, one_step
from gpk.errors import InputError
from gpk.hull import LatentHull
from gpk.latents import latent_statistics
from gpk_evaluate.instruments import Figures, Instruments
from gpk_evaluate.settings import Evaluation, Protocol
from gpk_tasks.edit.attributes import read
from gpk_tasks.interpolate import path_views, paths, random_pairs
from gpk_tasks.invert.pivotal import Pivoting, pivotal
from gpk_tasks.placement import PLACEMENTS, Placement, place
from gpk_tasks.renders import random_views, render_album, render_rows
from gpk_tasks.restore.restore import restored
from gpk_tasks.scores import grain
from gpk_tasks.synthesize import draw_hull

EXAMPLES = 6
"""Pictures of a protocol that are shown."""
COARSE, LEAST_FACTOR = 32, 4
"""The paper restores 512 from 32 pixels a side; a small generator's photos are made coarser by this much at least."""
FAR, HIGH = 0.35, 0.25
"""Radians: views within so much to the left and right, up and down."""


@dataclass(frozen=True)
class Scene:
    """Whom a protocol looks at: the context, whose generator is as it is to be measured and whose album was learned
    from; anchors [M, L, D]; held-out photos; directions [1, D] by attribute.
    """

    context: Context
    anchors: Tensor
    held_out: Album | None
    instruments: Instruments
    settings: Evaluation
    directions: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def references(self) -> Tensor:
        """The photos learned from [N, 3, R, R]."""
        return self.context.album.photos

    def placement(self) -> Placement:
        """How photos are placed in the hull."""
        chosen = PLACEMENTS[self.settings.placement]
        steps = self.settings.placement_steps
        return chosen if steps is None else replace(chosen, steps=steps)

    def unseen(self) -> Album:
        """The held-out photos; raises InputError where there are none."""
        if self.held_out is None:
            raise InputError(f"{self.context.backend.name}: held-out photos are needed: give --album, or fewer --tasks")
        return self.held_out


class Found(NamedTuple):
    """What a protocol found: figures by what was looked at; pictures that show it [E, 3, R, R], their captions, and
    columns of what they were made from; ID_sim over weights, where there is a curve.
    """

    figures: dict[str, Figures]
    shown: Tensor
    captions: list[str]
    beside: dict[str, Tensor]
    curve: dict[str, float] | None = None


def inversion(scene: Scene) -> Found:
    """Held-out photos in the hull, and with the weights fitted to each around its code."""
    album, instruments = scene.unseen(), scene.instruments
    codes = place(scene.context, scene.anchors, album, scene.placement(), stage="inversion").w
    images = render_album(scene.context, codes, album)

    def measured(images: Tensor) -> Figures:
        return instruments.against(images, album.photos) | instruments.likeness(images, scene.references)

    figures = {"hull": measured(images)}
    if scene.settings.pti:
        images = torch.cat([_with_pti(scene, codes[i : i + 1], album[i : i + 1]) for i in range(len(album))])
        figures["hull, PTI"] = measured(images)
    names = list(album.names[:EXAMPLES])
    return Found(figures, images[:EXAMPLES], names, {"photo": resize(album.photos[:EXAMPLES], images.shape[-1])})


def _with_pti(scene: Scene, pivot: Tensor, photo: Album) -> Tensor:
    """The photo's reconstruction [1, 3, R, R] after pivotal tuning."""
    tuned = pivotal(scene.context, pivot, photo, Pivoting(steps=scene.settings.pti_steps), seed=scene.settings.seed)
    with ExitStack() as held:
        generator = held.enter_context(merged(scene.context.generator))
        held.enter_context(attached(generator, tuned))
        return render_album(scene.context, pivot, photo)


def interpolation(scene: Scene) -> Found:
    """Codes between two anchors, each seen from the same random views."""
    settings, generator = scene.settings, scene.context.generator
    pairs = random_pairs(len(scene.anchors), settings.pairs, seed=settings.seed)
    weights = torch.linspace(0, 1, settings.points)
    path = paths(scene.anchors, pairs, weights)
    cameras = random_views(generator, settings.views, yaw=FAR, pitch=HIGH, seed=settings.seed)
    alike: dict[str, list[Tensor]] = {}
    shown = []
    for index, images in enumerate(path_views(generator, path, cameras)):
        if index < EXAMPLES * settings.points and index % settings.points == settings.points // 2:
            shown.append(images[0])
        for name, each in scene.instruments.likenesses(images, scene.references).items():
            alike.setdefault(name, []).append(each.mean())
        scene.context.logger.progress("interpolation", index + 1, len(pairs) * settings.points, {})
    by_weight = {name: torch.stack(each).unflatten(0, (len(pairs), -1)).mean(0) for name, each in alike.items()}
    figures = {name: each.mean().item() for name, each in by_weight.items()}
    figures |= {f"lowest {name}": each.min().item() for name, each in by_weight.items()}
    curve = next(iter(by_weight.values()), torch.empty(0)).tolist()
    ends = {f"{name} anchor": _of(scene, [pair[end] for pair in pairs]) for end, name in ((0, "first"), (1, "second"))}
    by_place = dict(zip([f"{weight:.2f}" for weight in weights.tolist()], curve, strict=True)) if curve else None
    return Found({"paths": figures}, torch.stack(shown), ["halfway"] * len(shown), ends, by_place)


def _of(scene: Scene, indices: Sequence[int]) -> Tensor:
    """Photos [E, 3, R, R] of the anchors by number."""
    return resize(scene.references[list(indices[:EXAMPLES])], scene.context.generator.resolution)


def synthesis(scene: Scene) -> Found:
    """Pictures drawn from the hull, each from a random view."""
    settings, generator, instruments = scene.settings, scene.context.generator, scene.instruments
    codes = draw_hull(scene.anchors, settings.pictures, settings.seed, beta=settings.beta).w
    cameras = random_views(generator, settings.pictures, yaw=FAR, pitch=HIGH, seed=settings.seed)
    images = []
    for batch in render_rows(generator, codes, cameras):
        images.append(batch)
        scene.context.logger.progress("synthesis", sum(map(len, images)), settings.pictures, {})
    pictures = torch.cat(images)
    figures = instruments.likeness(pictures, scene.references) | instruments.diversity(pictures, scene.references)
    figures |= grain(pictures, scene.references, scene.context.album.masks)
    return Found({"hull": figures}, pictures[:EXAMPLES], [f"picture {i}" for i in range(EXAMPLES)], {})


def restoration(scene: Scene) -> Found:
    """Held-out photos, damaged in a known way, made whole."""
    album, side = scene.unseen(), scene.context.generator.resolution
    hole = square_hole(side, scene.settings.hole)
    damages: dict[str, Damage] = {"hole": Hole(hole.to(album.photos.device))}
    damages |= {f"{factor} times coarser": Coarse(side // factor) for factor in factors(scene.settings, side)}
    figures, shown, captions, beside = {}, [], [], {"photo": [], "damaged": []}
    for name, damage in damages.items():
        found = restored(scene.context, scene.anchors, album, damage, scene.placement(), stage=f"restoring, {name}")
        figures[name] = scene.instruments.against(found.images, album.photos)
        figures[name] |= scene.instruments.likeness(found.images, scene.references)
        few = slice(EXAMPLES // 2)
        shown.append(found.images[few])
        captions += [name] * len(found.images[few])
        beside["photo"].append(album.photos[few])
        beside["damaged"].append(damage.at(few)(album.photos[few]))
    return Found(figures, torch.cat(shown), captions, {name: torch.cat(each) for name, each in beside.items()})


def factors(settings: Evaluation, side: int) -> tuple[int, ...]:
    """How many times too coarse photos are; raises InputError where one does not divide the side."""
    chosen = settings.factors or (max(side // COARSE, LEAST_FACTOR),)
    for factor in chosen:
        if factor < 2 or side % factor or factor == side:
            raise InputError(f"{side} pixels a side cannot be {factor} times coarser: give other factors")
    return chosen


def editing(scene: Scene) -> Found:
    """Every anchor moved in the hull along each direction by each amount, seen as in its photo."""
    if not scene.directions:
        raise InputError(
            f"{scene.context.backend.name} has no judge of attributes, so no direction can be learned here"
        )
    hull = LatentHull(scene.anchors, beta=scene.settings.beta)
    amounts = torch.tensor(scene.settings.amounts)
    eye = torch.eye(len(hull)).to(scene.anchors)
    statistics = latent_statistics(scene.context.generator, samples=1024)
    figures, shown, captions = {}, [], []
    for index, (name, d) in enumerate(scene.directions.items()):
        step = one_step(d, statistics)
        codes = edited_codes(hull, eye, step, amounts, edge="project")
        images = [render_album(scene.context, codes[:, t], scene.context.album) for t in range(len(amounts))]
        figures[name] = scene.instruments.likeness(torch.cat(images), scene.references)
        figures[name] |= grain(torch.cat(images), scene.references, scene.context.album.masks)
        reached = moved_along(codes, scene.anchors, step)
        figures[name]["moved"] = (reached[:, -1] - reached[:, 0]).mean().item()
        if scene.instruments.attributes is not None and name in scene.instruments.attributes.names:
            first, last = (_attribute(scene, images[t], name) for t in (0, -1))
            figures[name]["attribute"] = (last - first).mean().item()
        for t in (0, -1):
            shown.append(images[t][0])
            captions.append(f"{name} {amounts[t]:+g}")
        scene.context.logger.progress("editing", index + 1, len(scene.directions), {})
    photo = resize(scene.references[:1], scene.context.generator.resolution).expand(len(shown), -1, -1, -1)
    return Found(figures, torch.stack(shown), captions, {"photo": photo})


def _attribute(scene: Scene, images: Tensor, name: str) -> Tensor:
    """The attribute [B] that is read in each image."""
    reader = scene.instruments.attributes
    return read(reader, images)[:, list(reader.names).index(name)]


FOLLOW: Mapping[Protocol, Callable[[Scene], Found]] = {
    "inversion": inversion,
    "interpolation": interpolation,
    "synthesis": synthesis,
    "restoration": restoration,
    "editing": editing,
}
"""The protocols by name."""
