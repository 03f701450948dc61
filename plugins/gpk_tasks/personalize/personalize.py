r"""The main job: an album into a persona, resumable at any moment.

    photos ──invert──▶ anchors ──tune──▶ persona ──▶ file, figures, pictures, report.html
              given ──────┘

The run directory holds the state; every part of the work derives its randomness from (seed, position), so a run that
was killed and started again ends, bit for bit on the CPU, in the persona of one that was not.

Shapes: N photos, R image side.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from gpk.album import Album
from gpk.context import Context
from gpk.generator import fingerprint
from gpk.importance import by_block, gathered, measured
from gpk.persona import Persona
from gpk.seeding import seeded
from gpk.validation import file_name
from gpk_checkpoints.personas import save_persona
from gpk_runs.run import Run
from gpk_tasks.descent import State, Tick
from gpk_tasks.keeping import kept, require_finite
from gpk_tasks.personalize.anchors import Given
from gpk_tasks.personalize.doubts import doubts
from gpk_tasks.personalize.inversion import find_codes
from gpk_tasks.personalize.outcome import Outcome
from gpk_tasks.personalize.settings import Settings, to_json
from gpk_tasks.personalize.tuning import tune
from gpk_tasks.report.events import Inverted
from gpk_tasks.report.page import write_report
from gpk_tasks.report.report import report

INVERTED = "inverted"
"""The anchors as they were found or given, in the state of a tuning that has ended: its persona's may have moved."""


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
        "album": context.album.digest(),
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
    to stop, and RecipeError where a descent diverges or the recipe is impossible.
    """
    file = run.directory / f"{file_name(context.backend.name)}.persona.safetensors"
    state = run.load_state()
    clock = _Clock(0.0 if state is None else state[1]["seconds"])
    with kept(run, besides=clock.to_json, sound=True) as tick:
        if state is None:
            run.record("album", {"photos": list(context.album.names), "left_out": dict(context.album.left_out)})
            run.record("provenance", provenance(context))
        anchors = _anchors(context, settings, run, clock, state, tick, given)
        persona = untrained(context, settings, anchors)
        tuning = state if state is not None and state[1].get("stage") == "tune" else None
        tune(context, persona, settings.tuning, seed=settings.seed, memory=settings.memory, start=tuning, tick=tick)
        require_finite(persona.tensors())
        # Nothing is left to descend, so Adam's moments need not be kept: a kill from here on costs the report alone.
        end = {"stage": "tune", "step": settings.tuning.steps, **clock.to_json()}
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
    inverted = [event.read(Inverted) for event in run.read_log() if event["event"] == "invert"]
    doubted = doubts(figures, inverted, settings.inversion)
    outcome = Outcome(persona, file, figures, pictures, clock.seconds(), doubted)
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

    def to_json(self) -> dict[str, object]:
        """What the state's position has of it."""
        return {"seconds": self.seconds()}


def _anchors(
    context: Context,
    settings: Settings,
    run: Run,
    clock: _Clock,
    state: State | None,
    tick: Tick,
    given: Given | None,
) -> Tensor:
    if state is not None and state[1]["stage"] != "invert":
        return state[0].get(INVERTED, state[0]["anchors"]).to(context.album.photos.device)
    if given is not None:
        anchors = given.anchors
    else:
        anchors = find_codes(
            context, settings.inversion, seed=settings.seed, memory=settings.memory, start=state, tick=tick
        )
    require_finite({"anchors": anchors})
    run.save_state({"anchors": anchors}, {"stage": "anchors", **clock.to_json()})
    return anchors


def untrained(context: Context, settings: Settings, anchors: Tensor) -> Persona:
    """The persona of the context's album that has learned nothing yet."""
    photos = settings.tuning.steps * min(settings.tuning.batch, len(context.album))
    rng = seeded(settings.seed, "persona")
    return context.untrained(settings.recipe, anchors, images_seen=photos, rng=rng)
