r"""The task `restore`: damaged photos of the subject made whole.

A photo is placed in the subject's hull under its known damage (`gpk.damage`, `gpk_tasks.placement`), so that what
is left of it chooses among pictures of the subject alone; then what the photo tells is put back over the render
(MyStyle, Nitzan et al., 2022, arXiv 2203.17272, section 5; My3DGen, section 4.2).

Shapes: N photos, M anchors, L latent layers, D latent width, R image side.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gpk.album import Album
from gpk.context import Context
from gpk.damage import Coarse, Damage, Hole, Together, in_blocks
from gpk.errors import RunError
from gpk.logger import Run
from gpk.metrics import psnr
from gpk_checkpoints.files import write_safetensors
from gpk_runs.pictures import stems, write_picture
from gpk_runs.sheet import write_sheet
from gpk_tasks.descent import State, Tick
from gpk_tasks.keeping import kept, within
from gpk_tasks.placement import Placed, Placement, place
from gpk_tasks.renders import novel_views, render_album
from gpk_tasks.restore.settings import Restoration, damage_of
from gpk_tasks.scores import score
from gpk_tasks.tensors import under

VIEWS = {"left": -0.35, "right": 0.35}
"""Other views and their yaw in radians: as far as My3DGen turns."""
SHOWN = 32
"""Photos of the contact sheet."""
CODE = "codes."
"""How the codes' names begin in the state."""


class Restored(NamedTuple):
    """`images` [N, 3, R, R], the `renders` [N, 3, R, R] in them, and the `codes` of these."""

    images: Tensor
    renders: Tensor
    codes: Placed


def restored(
    context: Context,
    anchors: Tensor,
    album: Album,
    damage: Damage,
    placement: Placement,
    *,
    memory: float | None = None,
    stage: str = "restoring",
    start: State | None = None,
    tick: Tick = lambda state: None,
) -> Restored:
    """The photos of `album`, damaged or whole, as the generator as it is now and the hull of `anchors` [M, D] or
    [M, L, D] restore them from what `damage` leaves of them; what else is given is as `place` has it.
    """
    codes = place(
        context, anchors, album, placement, degrade=damage, memory=memory, stage=stage, start=start, tick=tick
    )
    return shown(context, album, damage, codes)


def shown(context: Context, album: Album, damage: Damage, codes: Placed) -> Restored:
    """The photos as `codes` restore them."""
    renders = render_album(context, codes.w, album)
    return Restored(damage.mended(damage(album.photos), renders), renders, codes)


def compared(context: Context, album: Album, damage: Damage, found: Restored, *, whole: bool) -> dict[str, float]:
    """Mean figures: the PSNR of the renders where the photos are `known` and, of `whole` photos, how near the restored
    ones are, in the hole and all over; ID_sim to the photos, each its own reference where it is alone.
    """
    hole = missing(damage)
    known = None if hole is None else (~hole).float()
    figures = {"psnr_known": psnr(damage(found.renders), damage(album.photos), known).mean().item()}
    if whole:
        masks = None if hole is None else hole.float()
        figures |= score(found.images, album.photos, context, references=album.photos, masks=masks, real=album.masks)
    return figures


def missing(damage: Damage) -> Tensor | None:
    """The hole [N, 1, R, R] or [1, 1, R, R], where there is one."""
    match damage:
        case Hole():
            return damage.missing
        case Together():
            return next((hole for hole in map(missing, damage.damages) if hole is not None), None)
        case _:
            return None


def restore(context: Context, settings: Restoration, run: Run) -> Mapping[str, Any]:
    """Writes each photo restored, in 3D with other views, a contact sheet, and `codes.safetensors`.

    Returns figures by photo and their mean (see `compared`). Raises InputError without a persona, and for masks as
    `damage_of` does; RunError where the run was begun with other masks.
    """
    side, device = context.generator.resolution, context.album.photos.device
    album = replace(context.album, photos=in_blocks(context.album.photos, side))
    names, damage = stems(album.names), damage_of(settings, album.names, side, device=device)
    figures: dict[str, dict[str, float]] = {}
    columns: dict[str, list[Tensor]] = {}
    with context.personalized(), kept(run) as tick:
        codes = _Codes(context, settings, run, damage, tick)
        for index, name in enumerate(names):
            one = slice(index, index + 1)
            photo, its = album[one], damage.at(one)
            found = codes.found(photo, its, index, stage=f"restoring photo {index + 1} of {len(names)}")
            figures[name] = compared(context, photo, its, found, whole=settings.whole)
            pictures = {"damaged": its(photo.photos), "restored": found.images}
            write_picture(run.pictures / f"{name}.png", found.images[0])
            if settings.whole:
                pictures["photo"] = photo.photos
            for view, yaw in VIEWS.items() if settings.views else ():
                if (turned := novel_views(context, found.codes.w, yaw=(yaw,))) is not None:
                    write_picture(run.pictures / f"{name}.{view}.png", turned[0])
                    pictures[view] = turned
            for column, picture in pictures.items():
                columns.setdefault(column, []).append(picture[0].cpu())
    write_safetensors(run.directory / "codes.safetensors", codes.known, {})
    rows = [list(row) for row in zip(*columns.values(), strict=True)][:SHOWN]
    title = f"{context.backend.name} · {', '.join(settings.kind)}"
    write_sheet(run.directory / "sheet.png", rows, columns=list(columns), captions=names[:SHOWN], title=title)
    mean = {key: sum(row[key] for row in figures.values()) / len(figures) for key in next(iter(figures.values()))}
    return {
        "kind": list(settings.kind),
        "figures": {**figures, "mean": mean},
        "pictures": ["sheet.png", "pictures"],
        "files": ["codes.safetensors"],
    }


class _Codes:
    """The codes, found photo by photo: `known` [N, …] by name, some of them from the run's state."""

    def __init__(self, context: Context, settings: Restoration, run: Run, damage: Damage, tick: Tick) -> None:
        self.context, self.settings, self.run, self.tick = context, settings, run, tick
        self.anchors = context.anchors()
        self.masks = digest(damage)
        self.known: dict[str, Tensor] = {}
        self.done, self.start = 0, run.load_state()
        if self.start is not None:
            tensors, position = self.start
            if position["masks"] != self.masks:
                raise RunError(f"{run.directory} was begun with other masks: give another --out, or those masks again")
            like = context.album.photos
            self.known = {name: code.to(like) for name, code in under(CODE, tensors).items()}
            self.done = int(position["photo"])

    def found(self, photo: Album, damage: Damage, index: int, *, stage: str) -> Restored:
        """The photo `index`, restored now or as it was before."""
        if index < self.done:
            one = slice(index, index + 1)
            return shown(self.context, photo, damage, Placed(**{name: code[one] for name, code in self.known.items()}))
        kept_ = {f"{CODE}{name}": code for name, code in self.known.items()}
        half = self.start if self.start is not None and index == self.done and "step" in self.start[1] else None
        found = restored(
            self.context,
            self.anchors,
            photo,
            damage,
            self.settings.placement(),
            memory=self.settings.memory,
            stage=stage,
            start=half,
            tick=within(self.tick, kept_, photo=index, masks=self.masks),
        )
        for name, code in found.codes._asdict().items():
            self.known[name] = torch.cat([self.known[name], code]) if name in self.known else code
        tensors = {f"{CODE}{name}": code for name, code in self.known.items()}
        self.run.save_state(tensors, {"photo": index + 1, "masks": self.masks})
        return found


def digest(damage: Damage) -> str:
    """sha256 of the damage's masks: tells whether the same command came with the same ones."""
    told = hashlib.sha256()
    for part in damage.damages if isinstance(damage, Together) else (damage,):
        mask = part.missing if isinstance(part, Hole) else part.subject if isinstance(part, Coarse) else None
        if mask is not None:
            told.update(mask.cpu().numpy().tobytes())
    return told.hexdigest()
