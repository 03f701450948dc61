r"""The task `invert`: new photos into codes, and from there into the round.

    photos ──w, w+ or the hull──▶ codes (──pivotal tuning──▶ weights of their own) ──▶ reconstructions, other views

Shapes: N photos, V views, L latent layers, D latent width, R image side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gpk.album import resize
from gpk.attach import attached, merged
from gpk.context import Context
from gpk.logger import Run
from gpk.persona import Persona
from gpk_checkpoints.personas import SUFFIX, load_persona, save_persona
from gpk_runs.pictures import stems, write_picture
from gpk_runs.sheet import write_sheet
from gpk_tasks.codes import write_codes
from gpk_tasks.descent import Tick
from gpk_tasks.invert.locate import locate
from gpk_tasks.invert.pivotal import pivotal
from gpk_tasks.invert.settings import Location
from gpk_tasks.keeping import kept, within
from gpk_tasks.renders import render_album, views_of
from gpk_tasks.scores import score, similarity
from gpk_tasks.tensors import under

SHOWN = 32
"""Photos of the contact sheet."""


class Tuned(NamedTuple):
    """A pivotal tuning: of which photos, its persona's file, and the steps it took."""

    rows: slice
    file: Path
    steps: int


def invert(context: Context, settings: Location, run: Run) -> Mapping[str, Any]:
    """Writes `codes.safetensors`; for each photo its reconstruction and other views in `pictures` and, with pivotal
    tuning, NAME.pti.persona.safetensors (one for all where they are tuned together); and a contact sheet.

    Returns figures by photo and their mean.
    """
    names, count = stems(context.album.names), len(context.album)
    figures = {}
    with context.personalized():
        with kept(run) as tick:
            codes = _codes(context, settings, run, tick)
            tunings = _tune(context, codes, names, settings, run, tick) if settings.pti else []
        total = count * (2 if tunings else 1)

        def look(index: int, done: int) -> _Look:
            context.logger.progress("pictures", done + index, total, {})
            return _look(context, codes["w"], settings, index)

        looks = [look(index, 1) for index in range(count)]
        columns = {"photo": list(resize(context.album.photos, context.generator.resolution)), "code": _images(looks)}
        if tunings:
            figures["mean of the codes"] = _mean(looks)
            for tuning in tunings:
                with merged(context.generator) as generator, attached(generator, _loaded(tuning, context)):
                    for index in range(count)[tuning.rows]:
                        looks[index] = look(index, count + 1)
            columns["tuned"] = _images(looks)
    for name, seen in zip(names, looks, strict=True):
        for view, picture in seen.pictures.items():
            write_picture(run.pictures / (f"{name}.{view}.png" if view else f"{name}.png"), picture)
    columns |= {view: [seen.pictures[view] for seen in looks] for view in looks[0].pictures if view}
    rows = [list(row) for row in zip(*columns.values(), strict=True)][:SHOWN]
    title = f"{context.backend.name} · {settings.space_of(context.persona)}{' · pivotal tuning' if tunings else ''}"
    write_sheet(run.directory / "sheet.png", rows, columns=list(columns), captions=names[:SHOWN], title=title)
    own = {name: seen.figures for name, seen in zip(names, looks, strict=True)}
    return {
        "space": settings.space_of(context.persona),
        "figures": {**own, **figures, "mean": _mean(looks)},
        "steps": {tuning.file.name: tuning.steps for tuning in tunings},
        "pictures": ["sheet.png", "pictures"],
        "files": ["codes.safetensors", *(tuning.file.name for tuning in tunings)],
    }


def _codes(context: Context, settings: Location, run: Run, tick: Tick) -> dict[str, Tensor]:
    """The codes: found now, or as the run's state has them; also written to their file."""
    state = run.load_state()
    if state is not None and state[1]["stage"] == "tuning":
        like = context.album.photos
        return {name: code.to(like) for name, code in under(CODE, state[0]).items()}
    anchors = None if context.persona is None else context.anchors()
    codes = locate(context, anchors, context.album, settings, start=state, tick=within(tick, {}, stage="codes"))
    write_codes(run.directory / "codes.safetensors", context, codes)
    run.save_state(_known(codes), {"stage": "tuning", "part": 0})
    return codes


CODE = "codes."
"""How the codes' names begin in the state of a tuning."""


def _known(codes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{CODE}{name}": code for name, code in codes.items()}


def _tune(
    context: Context, codes: Mapping[str, Tensor], names: Sequence[str], settings: Location, run: Run, tick: Tick
) -> list[Tuned]:
    """The pivotal tunings, of each photo or of all together; those that ended before are taken from their files."""
    count, album, s = len(names), context.album, settings
    parts = {"album": slice(0, count)} if s.together else {names[i]: slice(i, i + 1) for i in range(count)}
    known, tunings = _known(codes), []
    state = run.load_state()
    assert state is not None  # since there are codes
    begun = int(state[1]["part"])
    for number, (name, rows) in enumerate(parts.items()):
        file = run.directory / f"{name}.pti{SUFFIX}"
        if number >= begun:
            start = state if number == begun and "step" in state[1] else None
            persona = pivotal(
                context,
                codes["w"][rows],
                album[rows],
                s.pivoting(),
                seed=s.seed,
                memory=s.memory,
                stage=f"pivotal tuning {number + 1} of {len(parts)}",
                start=start,
                tick=within(tick, known, stage="tuning", part=number),
            )
            save_persona(file, persona)
            run.save_state(known, {"stage": "tuning", "part": number + 1})
        seen = load_persona(file).origin.images_seen
        tunings.append(Tuned(rows, file, seen // len(range(count)[rows])))
    return tunings


def _loaded(tuning: Tuned, context: Context) -> Persona:
    return load_persona(tuning.file).to(context.album.photos.device)


class _Look(NamedTuple):
    """A photo again: `pictures` [3, R, R] by view, "" the photo's own, and how well they show it."""

    pictures: dict[str, Tensor]
    figures: dict[str, float]


def _look(context: Context, w: Tensor, settings: Location, index: int) -> _Look:
    """What the generator as it is now shows of photo `index`, whose code is w[index]."""
    one = slice(index, index + 1)
    album = context.album[one]
    image = render_album(context, w[one], album)
    figures = score(image, album.photos, context, references=album.photos, real=album.masks)
    pictures = {"": image[0].cpu()}
    angles = _angles(settings)
    yaw, pitch = (torch.tensor(turns) for turns in zip(*angles.values(), strict=True)) if angles else (None, None)
    cameras = None if yaw is None or pitch is None else context.generator.orbit(yaw, pitch)
    if cameras is not None:
        views = views_of(context.generator, w[one], cameras)
        pictures |= dict(zip(angles, views.cpu(), strict=True))
        if context.judge is not None:
            figures["id_sim of views"] = similarity(context.judge, views, album.photos)
    return _Look(pictures, figures)


def _angles(settings: Location) -> dict[str, tuple[float, float]]:
    """Yaw and pitch of the other views, in radians, by name."""
    angles = {f"yaw{turn:+g}": (turn, 0.0) for turn in (-settings.yaw, settings.yaw) if turn}
    return angles | {f"pitch{turn:+g}": (0.0, turn) for turn in (-settings.pitch, settings.pitch) if turn}


def _images(looks: Sequence[_Look]) -> list[Tensor]:
    return [look.pictures[""] for look in looks]


def _mean(looks: Sequence[_Look]) -> dict[str, float]:
    return {name: sum(look.figures[name] for look in looks) / len(looks) for name in looks[0].figures}
