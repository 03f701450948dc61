"""The ways that are compared: the run's own persona, the generator as it was, and personas tuned here for comparison.

Every comparison is by the same loop, on the same anchors, with the run's own settings but for what is compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, get_args

import torch
from torch import Tensor

from gpk.album import Album
from gpk.bench import Bench, Run
from gpk.latents import anchors_as_ws
from gpk.lowrank import Layout
from gpk.persona import Persona
from gpk_checkpoints.personas import load_persona, save_persona
from gpk_evaluate.settings import Evaluation
from gpk_tasks.keeping import kept, within
from gpk_tasks.personalize import newborn
from gpk_tasks.presets import full
from gpk_tasks.settings import Settings
from gpk_tasks.tune import tune


@dataclass(frozen=True)
class Sitter:
    """Who is evaluated: a name, the bench with the album learned from and the persona, the anchors [N, D] or [N, L, D]
    as inversion found them, the settings of the run, and held-out photos where there are some.
    """

    name: str
    bench: Bench
    inverted: Tensor
    settings: Settings
    held_out: Album | None = None


@dataclass(frozen=True)
class Way:
    """One way: its name, the study that it belongs to, the settings it is tuned by, and how many photos.

    Without settings nothing is tuned: it is the run's own persona, or with `pretrained` none at all.
    """

    name: str
    study: str | None = None
    settings: Settings | None = None
    photos: int | None = None
    pretrained: bool = False


def ways(sitter: Sitter, evaluation: Evaluation) -> Iterator[Way]:
    """Every way that the evaluation compares for this sitter."""
    if "pretrained" in evaluation.against:
        yield Way("pretrained", pretrained=True)
    yield Way("personalized")
    if "full" in evaluation.against:
        yield Way("full", settings=full(sitter.settings))
    own = sitter.settings
    if "ranks" in evaluation.studies:
        for rank in evaluation.ranks:
            yield Way(f"rank {rank}", "ranks", _with_recipe(own, rank=rank))
    if "layouts" in evaluation.studies:
        for layout in get_args(Layout):
            yield Way(f"layout {layout}", "layouts", _with_recipe(own, layout=layout))
    if "sizes" in evaluation.studies:
        there = len(sitter.bench.album)
        for size in dict.fromkeys(min(size, there) for size in evaluation.sizes):
            yield Way(f"{size} photos", "sizes", own, photos=size)


def _with_recipe(settings: Settings, **changes: Any) -> Settings:  # noqa: ANN401 - a recipe's own keys
    return replace(settings, recipe=replace(settings.recipe, **changes))


def persona_of(sitter: Sitter, way: Way, run: Run) -> Persona | None:
    """The way's persona: the sitter's own, none, or one tuned now; what was tuned stays in the run's folder, and a
    tuning that was stopped goes on.
    """
    if way.pretrained:
        return None
    if way.settings is None:
        return sitter.bench.persona
    device = sitter.bench.album.photos.device
    file = run.directory / "personas" / f"{sitter.name}, {way.name}.persona.safetensors"
    if file.exists():
        return load_persona(file).to(device)
    file.parent.mkdir(exist_ok=True)
    bench = replace(sitter.bench, album=sitter.bench.album[: way.photos], persona=None)
    persona = newborn(bench, way.settings, sitter.inverted[: len(bench.album)])
    place = {"sitter": sitter.name, "way": way.name}
    state = run.load_state()
    start = state if state is not None and {k: state[1].get(k) for k in place} == place else None
    with kept(run) as tick:
        tune(
            bench,
            persona,
            way.settings.tuning,
            seed=way.settings.seed,
            memory=way.settings.memory,
            start=start,
            tick=within(tick, {}, **place),
        )
    save_persona(file, persona)
    run.save_state({"done": torch.tensor(0)}, {})
    return persona


def anchors_of(sitter: Sitter, way: Way, persona: Persona | None) -> Tensor:
    """The way's anchors [N, num_ws, D]: the persona's, for they may have moved with it, or as inversion found them."""
    anchors = sitter.inverted if persona is None else persona.anchors
    return anchors_as_ws(anchors, sitter.bench.generator.latent.num_ws)
