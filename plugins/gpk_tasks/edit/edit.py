r"""Semantic edits: one attribute of the subject changes, and who it is stays.

    labels ──plane in W──▶ direction ──the hull's coordinates──▶ alpha + theta gamma ──▶ pictures

In the hull, only what the album itself varies can be changed (MyStyle, arXiv 2203.17272, section 4.3; My3DGen, section
4.2): of a direction that leads to somebody else, little is left (`gpk.directions.held_by`). In W everything can.

Shapes: B codes, T amounts, M anchors, N labelled codes, K attributes, L latent layers, D latent width, R image side.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gpk.camera import Camera
from gpk.context import Context
from gpk.directions import (
    Direction,
    check_direction,
    edited_codes,
    held_by,
    moved_along,
    one_step,
)
from gpk.errors import InputError
from gpk.hull import LatentHull
from gpk.latents import latent_statistics
from gpk.logger import Run
from gpk.metrics import identity_similarity
from gpk.pixels import from_bytes
from gpk_checkpoints.directions import read_direction, write_direction
from gpk_photos.scores import read_scores
from gpk_runs.pictures import write_picture
from gpk_runs.sheet import write_sheet
from gpk_tasks.codes import codes_of, picked, read_codes, write_codes
from gpk_tasks.descent import Tick
from gpk_tasks.edit.attributes import STAGE, Labelled, labelled, learned, read
from gpk_tasks.edit.settings import Editing
from gpk_tasks.keeping import kept
from gpk_tasks.renders import orbit, render_rows
from gpk_tasks.shots import Shots, as_bytes
from gpk_tasks.views import FIRST, SIDE, references


def edit(context: Context, settings: Editing, run: Run) -> Mapping[str, Any]:
    """Writes a picture of every code at every amount, a sheet of them, `codes.safetensors` and, where it was learned,
    `direction.safetensors`.

    Returns figures by amount, means over the codes: the attribute and what the other attributes change by, where the
    context reads any; how far the codes moved along the direction; and ID_sim to the unedited picture and to the album.
    Raises InputError where there is no hull, no such code, or nothing to learn the direction from.
    """
    camera = _view(context, settings)
    if settings.space == "hull" and context.persona is None:
        raise InputError("there is no hull without a subject: give a persona, or --space w and --codes")
    w, kind = codes_of(context, settings.codes)
    numbers = settings.anchors or tuple(range(min(FIRST, len(w))))
    w, names = picked(w, numbers, kind), [f"{kind} {number}" for number in numbers]
    hull = None if settings.space == "w" else LatentHull(context.anchors(), beta=settings.beta)
    amounts = torch.tensor(settings.steps)
    with kept(run) as tick:
        direction = _direction(context, settings, run, tick)
        step = one_step(direction.d.to(w), latent_statistics(context.generator))
        if hull is None:
            codes = w[:, None] + amounts.to(w)[None, :, None, None] * step
        else:
            alpha = _coordinates(hull, w, None if settings.codes is not None else numbers)
            codes = edited_codes(hull, alpha, step, amounts, edge=settings.edge, w=w)
        shots = _show(context, settings, run, codes, camera, names, tick)
    figures = {f"{amount:+g}" if amount else "0": {} for amount in settings.steps}
    along = moved_along(codes, w, step).mean(0)
    for column, values in {"moved": along, **_looks(context, direction.attribute, settings.steps, shots)}.items():
        for row, value in zip(figures.values(), values.tolist(), strict=True):
            row[column] = round(value, 6) + 0.0  # no -0
    facts = dict(direction.facts) | {"attribute": direction.attribute, "step": step.norm(dim=1).amax().item()}
    if hull is not None:
        facts["held"] = held_by(hull, step)
    _write_sheet(context, settings, run, direction, names, shots)
    write_codes(
        run.directory / "codes.safetensors",
        context,
        {"w": codes.flatten(0, 1), "amounts": amounts.repeat(len(w)), "start": w},
    )
    told = {name: facts[name] for name in ("accuracy", "agreement", "kept", "held") if name in facts}
    files = ["codes.safetensors", *(["direction.safetensors"] if settings.direction is None else [])]
    return {
        "direction": facts,
        "figures": {**figures, "direction": told} if told else figures,
        "pictures": ["sheet.png", "pictures"],
        "files": files,
    }


def _direction(context: Context, settings: Editing, run: Run, tick: Tick) -> Direction:
    """The direction of the settings: a file's, this run's own from before, or one that is learned now."""
    own = run.directory / "direction.safetensors"
    if settings.direction is not None:
        direction = read_direction(settings.direction)
        if settings.attribute is not None:
            direction = dataclasses.replace(direction, attribute=settings.attribute)
        check_direction(direction, context.generator, what=f"the direction in {settings.direction}")
        return direction
    if own.exists():
        return read_direction(own)
    labels, attribute = _labels(context, settings, run, tick)
    write_direction(own, learned(labels, attribute, context.generator, settings.fit, without=settings.without))
    return read_direction(own)


def _labels(context: Context, settings: Editing, run: Run, tick: Tick) -> tuple[Labelled, str]:
    """The labelled codes to learn from, and the attribute's name."""
    if settings.labels is None or settings.labelled is None:
        state = run.load_state()
        if state is not None and state[1].get("stage") != STAGE:
            state = None
        assert settings.attribute is not None
        wanted = (settings.attribute, *settings.without)
        labels = labelled(
            context, settings.samples, wanted, teacher=settings.teacher, seed=settings.seed, start=state, tick=tick
        )
        return labels, settings.attribute
    codes = read_codes(context, settings.labelled, many=True).mean(1)
    scores = read_scores(settings.labels, len(codes))
    if settings.attribute is None and len(scores) > 1:
        raise InputError(f"which --attribute? {settings.labels} has {', '.join(scores)}")
    return Labelled(codes, scores, "labels", {}), settings.attribute or next(iter(scores))


def _coordinates(hull: LatentHull, w: Tensor, anchors: Sequence[int] | None) -> Tensor:
    """Coordinates [B, M] of the codes [B, L, D]: those of these anchors, else of the hull's nearest points."""
    if anchors is None:
        return hull.project(w)
    return torch.eye(len(hull)).to(w)[list(anchors)]


def _view(context: Context, settings: Editing) -> Camera | None:
    """The camera; None for a 2D generator."""
    if not context.backend.cameras and not (settings.yaw or settings.pitch):
        return None
    return orbit(context, [settings.yaw], [settings.pitch])


@torch.no_grad()
def _show(
    context: Context,
    settings: Editing,
    run: Run,
    codes: Tensor,
    camera: Camera | None,
    names: Sequence[str],
    tick: Tick,
) -> Shots:
    """Pictures of all codes [B, T, L, D], code by code, with what the judges see in them."""
    state = run.load_state()
    if state is not None and state[1].get("stage") == STAGE:
        state = None
    flat = codes.flatten(0, 1)
    shots = Shots(flat, state)
    cameras = None if camera is None else camera.expand(len(flat) - shots.done)
    with context.personalized() as generator:
        for image in render_rows(generator, flat[shots.done :], cameras, at_once=1):
            row, column = divmod(shots.done, codes.shape[1])
            write_picture(run.pictures / _file(names[row], settings.steps[column]), image[0])
            looks = {} if context.judge is None else {"features": context.judge(image)}
            if context.attributes is not None:
                looks["attributes"] = read(context.attributes, image)
            shots.add(views=as_bytes(image, SIDE), **looks)
            context.logger.progress("pictures", shots.done, len(flat), {})
            tick(shots.state)
    return shots


def _looks(context: Context, attribute: str, steps: Sequence[float], shots: Shots) -> dict[str, Tensor]:
    """Means [T] over the codes of what the judges see at each amount, by name."""
    seen, zero = {}, steps.index(0.0)
    if context.attributes is not None:
        values = shots.rows("attributes").unflatten(0, (-1, len(steps)))
        other = (values - values[:, zero : zero + 1]).abs()
        if attribute in context.attributes.names:
            index = context.attributes.names.index(attribute)
            seen[attribute] = values[..., index].mean(0)
            other = torch.cat([other[..., :index], other[..., index + 1 :]], dim=2)
        if other.numel():
            seen["others"] = other.mean((0, 2))
    if context.judge is not None:
        features = shots.rows("features").unflatten(0, (-1, len(steps)))
        seen["ID_sim to itself"] = (features * features[:, zero : zero + 1]).sum(2).mean(0)
        known = references(context)
        if known is not None:
            near = identity_similarity(features.flatten(0, 1).to(known), known)
            seen["ID_sim to the album"] = near.view(features.shape[:2]).mean(0)
    return seen


def _file(name: str, amount: float) -> str:
    return f"{name.replace(' ', '-')}.{amount:+g}.png"


def _write_sheet(
    context: Context, settings: Editing, run: Run, direction: Direction, names: Sequence[str], shots: Shots
) -> None:
    pictures = from_bytes(shots.rows("views"))
    rows = [list(row) for row in pictures.split(len(settings.steps))]
    columns = [f"{amount:+g}" if amount else "unedited" for amount in settings.steps]
    where = "W" if settings.space == "w" else f"hull, {settings.edge}"
    title = f"{context.backend.name} · {direction.attribute} · {where}"
    write_sheet(run.directory / "sheet.png", rows, columns=columns, captions=names, title=title, side=SIDE)
