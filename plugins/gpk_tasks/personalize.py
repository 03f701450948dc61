r"""The main job: an album into a persona, resumable at any moment.

    photos ──invert──▶ anchors ──tune──▶ persona ──▶ file, figures, pictures, report.html
              given ──────┘

The run directory holds the state; every part of the work derives its randomness from (seed, position), so a run that
was killed and started again ends, bit for bit on the CPU, in the persona of one that was not.
"""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gpk.album import Album
from gpk.context import Context
from gpk.errors import RecipeError
from gpk.generator import fingerprint
from gpk.importance import by_block, gathered, measured
from gpk.persona import Origin, Persona
from gpk.seeding import seeded
from gpk.validation import file_name
from gpk_checkpoints.personas import save_persona
from gpk_runs.interrupt import asked_to_stop
from gpk_runs.run import Run
from gpk_tasks.anchors import Given
from gpk_tasks.descent import State
from gpk_tasks.invert import invert
from gpk_tasks.report import Figures, report
from gpk_tasks.report_page import write_report
from gpk_tasks.settings import Settings, to_json
from gpk_tasks.tune import tune

SAVE_EVERY = 20.0  # seconds
INVERTED = "inverted"
"""The anchors as they were found or given, in the state of a tuning that has ended: its persona's may have moved."""


@dataclass(frozen=True)
class Outcome:
    """What a personalization gives: the persona and its file, figures by (photos, generator), pictures and seconds
    spent.
    """

    persona: Persona
    file: Path
    figures: Figures
    pictures: tuple[Path, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types, paths relative to the run's folder."""
        return {
            "persona": self.file.name,
            "bytes": self.file.stat().st_size,
            "numbers": self.persona.numbers,
            "album": self.persona.origin.album_size,
            "images_seen": self.persona.origin.images_seen,
            "seconds": round(self.seconds, 1),
            "figures": self.figures,
            "pictures": [f"pictures/{picture.name}" for picture in self.pictures],
        }


def describe(context: Context, settings: Settings, given: Given | None = None) -> dict[str, Any]:
    """Everything that decides the persona, in JSON types: a run's config, compared when the same command comes
    again. Where anchors are given, how they would be found decides nothing.
    """
    plain = to_json(settings)
    if given is not None:
        plain = {"anchors": given.to_json(), **{key: value for key, value in plain.items() if key != "inversion"}}
    return {
        "task": "personalize",
        "backend": context.backend.name,
        "card": context.card.name,
        "base": fingerprint(context.generator),
        "album": album_digest(context.album),
        **plain,
    }


def provenance(context: Context) -> dict[str, Any]:
    """What a persona is made from and judged by, in JSON types: the base's licence and size, and every network that
    looks at pictures, with the sha256 of its weights.
    """
    networks = {
        "loss": (context.backend.distance, context.distance),
        "reporting": (context.backend.reporting, context.reporting),
        "identity": (context.backend.judge, context.judge),
    }
    return {
        "title": context.card.title,
        "licence": context.card.licence,
        "numbers": sum(parameter.numel() for parameter in context.generator.parameters()),
        "judges": {
            role: {"name": name, "sha256": fingerprint(network)}
            for role, (name, network) in networks.items()
            if isinstance(network, nn.Module)
        },
    }


def personalize(
    context: Context,
    settings: Settings,
    run: Run,
    *,
    given: Given | None = None,
    held_out: Album | None = None,
    masks: Mapping[str, Tensor] | None = None,
) -> Outcome:
    """Makes the persona of the context's album in `run`, or goes on where an earlier process stopped.

    With `given` anchors nothing is inverted. `held_out` photos are scored too, placed in the hull; `masks` [N, 1, R, R]
    by "train" and "held-out" add figures inside the subject. Raises KeyboardInterrupt, with the state saved, when asked
    to stop.
    """
    file = run.directory / f"{file_name(context.backend.name)}.persona.safetensors"
    with asked_to_stop() as stopping:
        state = run.load_state()
        if state is None:
            run.record("album", {"photos": list(context.album.names), "left_out": dict(context.album.left_out)})
            run.record("provenance", provenance(context))
        clock = _Clock(0.0 if state is None else state[1]["seconds"])
        tick = _keeper(run, clock, stopping)
        anchors = _anchors(context, settings, run, clock, state, tick, given)
        persona = untrained(context, settings, anchors)
        tuning = state if state is not None and state[1].get("stage") == "tune" else None
        tune(context, persona, settings.tuning, seed=settings.seed, memory=settings.memory, start=tuning, tick=tick)
        _require_finite(persona.tensors())
        # Nothing is left to descend, so Adam's moments need not be kept: a kill from here on costs the report alone.
        end = {"stage": "tune", "step": settings.tuning.steps, "seconds": clock.seconds()}
        run.save_state({**persona.tensors(), INVERTED: anchors}, end)
    save_persona(file, persona)
    figures, pictures = report(
        context,
        persona,
        run.directory,
        inverted=anchors,
        held_out=held_out,
        masks=masks or {},
        memory=settings.memory,
    )
    blocks = gathered(measured(persona, context.generator), by_block)
    told = [{"name": name, "percent": each.percent} for name, each in blocks.items() if each.tuned]
    run.record("importance", {"norm": "frobenius", "blocks": told})
    outcome = Outcome(persona, file, figures, pictures, clock.seconds())
    run.record("done", outcome.to_json())
    write_report(run.directory)
    run.finish()
    return outcome


class _Clock:
    """Seconds spent on a run, over all the processes that worked on it."""

    def __init__(self, before: float) -> None:
        self._start = time.monotonic() - before

    def seconds(self) -> float:
        return round(time.monotonic() - self._start, 1)


def _keeper(run: Run, clock: _Clock, stopping: Callable[[], bool]) -> Callable[[Callable[[], State]], None]:
    """What is called after every step: saves the state now and then, and before stopping."""
    last = clock.seconds()

    def tick(state: Callable[[], State]) -> None:
        nonlocal last
        stop = stopping()
        if stop or clock.seconds() - last >= SAVE_EVERY:
            tensors, position = state()
            _require_finite(tensors)
            run.save_state(tensors, {**position, "seconds": clock.seconds()})
            last = clock.seconds()
        if stop:
            raise KeyboardInterrupt(f"the work so far is saved in {run.directory}; the same command goes on from there")

    return tick


def _require_finite(tensors: Mapping[str, Tensor]) -> None:
    """RecipeError where a step has diverged that no later step's loss tells of; nothing of it is kept."""
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise RecipeError(
                f"the descent diverged: {name} has numbers that are not finite. "
                "Try a lower learning rate (lr of tuning or of inversion), and give another --out"
            )


def _anchors(
    context: Context,
    settings: Settings,
    run: Run,
    clock: _Clock,
    state: State | None,
    tick: Callable[[Callable[[], State]], None],
    given: Given | None,
) -> Tensor:
    if state is not None and state[1]["stage"] != "invert":
        return state[0].get(INVERTED, state[0]["anchors"]).to(context.album.photos.device)
    if given is not None:
        anchors = given.anchors
    else:
        anchors = invert(
            context, settings.inversion, seed=settings.seed, memory=settings.memory, start=state, tick=tick
        )
    _require_finite({"anchors": anchors})
    run.save_state({"anchors": anchors}, {"stage": "anchors", "seconds": clock.seconds()})
    return anchors


def untrained(context: Context, settings: Settings, anchors: Tensor) -> Persona:
    """The persona of the context's album that has learned nothing yet."""
    album = context.album
    batch = min(settings.tuning.batch, len(album))
    origin = Origin(
        backend=context.backend.name,
        card=context.card.name,
        base=fingerprint(context.generator),
        licence=context.card.licence,
        album_size=len(album),
        images_seen=settings.tuning.steps * batch,
        versions={"gpk": version("gpk"), "torch": torch.__version__, "python": platform.python_version()},
    )
    return Persona.create(
        context.generator,
        settings.recipe,
        origin=origin,
        anchors=anchors.clone(),
        cameras=None if album.cameras is None else album.cameras.label(),
        rng=seeded(settings.seed, "persona"),
    )


def album_digest(album: Album) -> str:
    """sha256 of an album's pixels, masks and cameras: tells whether the same command came with the same photos."""
    digest = hashlib.sha256(album.photos.cpu().numpy().tobytes())
    if album.masks is not None:
        digest.update(album.masks.cpu().numpy().tobytes())
    if album.cameras is not None:
        digest.update(album.cameras.label().cpu().numpy().tobytes())
    return digest.hexdigest()
