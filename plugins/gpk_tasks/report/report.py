"""What a persona changed: figures, contact sheets and small pictures, before and after.

Shapes: N photos, L latent layers, D latent width, R image side.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from gpk.album import Album, resize
from gpk.attach import attached
from gpk.context import Context
from gpk.latents import anchors_as_ws
from gpk.persona import Persona
from gpk_runs.sheet import write_sheet
from gpk_tasks.placement import Placement, place
from gpk_tasks.renders import novel_views, render_album
from gpk_tasks.report.looks import turn, write_looks, write_turntable
from gpk_tasks.report.record import PERSONALIZED, PHOTO, PRETRAINED
from gpk_tasks.scores import grain, score, similarity

Figures = dict[str, dict[str, dict[str, float]]]
"""Figures by photos ("train", "held-out", "novel views"), then generator ("pretrained", "personalized"), then name."""

TURN = 0.35
"""Radians off the frontal view: as far as My3DGen turns its novel views."""


def report(
    context: Context,
    persona: Persona,
    directory: Path,
    *,
    inverted: Tensor,
    held_out: Album | None,
    masks: Mapping[str, Tensor],
    memory: float | None = None,
) -> tuple[Figures, tuple[Path, ...]]:
    """The figures, and a contact sheet for each album in `pictures` of the run's folder `directory`.

    Into the folder go the single pictures and a turntable too (`looks`).

    `inverted` are the anchors that the pretrained generator is shown with, for the persona's own may have moved with
    its changes. `masks` [N, 1, R, R] by "train" and "held-out" are where the subject is, as far as that is known;
    `memory` is what a step of placing held-out photos may take, in GiB.
    """
    albums = {"train": context.album} | ({} if held_out is None else {"held-out": held_out})
    figures: Figures = {name: {} for name in albums}
    columns = {name: {PHOTO: resize(album.photos, context.generator.resolution)} for name, album in albums.items()}
    loops: list[Tensor] = []

    def look(label: str, anchors: Tensor) -> None:
        for name, album in albums.items():
            stage = f"{name} photos, {label}"
            w = anchors
            if name != "train":
                w = place(context, anchors, album, Placement(), memory=memory, stage=stage).w
            images = render_album(context, w, album)
            columns[name][label] = images
            mask = masks.get(name)
            figures[name][label] = score(
                images, album.photos, context, references=context.album.photos, masks=mask, real=album.masks
            )
        views = novel_views(context, anchors, yaw=(-TURN, TURN))
        if views is not None and (told := _likeness(context, views)):
            figures.setdefault("novel views", {})[label] = told
        if (loop := turn(context, anchors[:1], label)) is not None:
            loops.append(loop)

    before, after = (anchors_as_ws(w, context.generator.latent.num_ws) for w in (inverted, persona.anchors))
    look(PRETRAINED, before)
    with attached(context.generator, persona):
        look(PERSONALIZED, after)
        columns["train"] |= _unseen(context, after)
    paths = []
    for name, shown in columns.items():
        path = directory / "pictures" / f"{name}.png"
        rows = [list(row) for row in zip(*shown.values(), strict=True)]
        title = f"{name} photos · {context.backend.name} · {persona.numbers:,} numbers"
        write_sheet(path, rows, columns=list(shown), captions=albums[name].names, title=title)
        paths.append(path)
    write_looks(directory, context, albums, columns)
    if loops:
        write_turntable(directory, loops)
    return figures, tuple(paths)


def _likeness(context: Context, views: Tensor) -> dict[str, float]:
    """The figures of pictures [V, 3, R, R] that no photo shows."""
    photos = context.album.photos
    figures = grain(views, photos, context.album.masks)
    return figures if context.judge is None else {**figures, "id_sim": similarity(context.judge, views, photos)}


def _unseen(context: Context, anchors: Tensor) -> dict[str, Tensor]:
    """Pictures [N, 3, R, R] that no photo shows, under their heading: every anchor turned, left and right by turns;
    in 2D halfway to the next one.
    """
    turned = [novel_views(context, row[None], yaw=(TURN if index % 2 else -TURN,)) for index, row in enumerate(anchors)]
    views = [view for view in turned if view is not None]
    if views:
        return {"novel view": torch.cat(views)}
    return {"halfway to the next": render_album(context, (anchors + anchors.roll(-1, 0)) / 2, context.album)}
