"""What is compared: the run's own persona, the generator as it was, and personas tuned here for comparison.

Every comparison is by the same loop, on the same anchors, with the run's own settings but for what is compared.

Shapes: N photos, L latent layers, D latent width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, get_args

import torch
from torch import Tensor

from gpk.album import Album
from gpk.context import Context
from gpk.latents import anchors_as_ws
from gpk.logger import Run
from gpk.lowrank import Layout
from gpk.persona import Persona
from gpk_checkpoints.personas import load_persona, save_persona
from gpk_evaluate.settings import Evaluation
from gpk_tasks.keeping import kept, within
from gpk_tasks.personalize.personalize import untrained
from gpk_tasks.personalize.presets import full
from gpk_tasks.personalize.settings import Settings
from gpk_tasks.personalize.tuning import tune


@dataclass(frozen=True)
class Subject:
    """Who is evaluated: a name, the context with the album learned from and the persona, the anchors [N, D] or
    [N, L, D] as inversion found them, the settings of the run, and held-out photos where there are some.
    """

    name: str
    context: Context
    inverted: Tensor
    settings: Settings
    held_out: Album | None = None


@dataclass(frozen=True)
class Variant:
    """One variant: its name, the study that it belongs to, the settings it is tuned by, and how many photos, all
    where None.

    Without settings nothing is tuned: it is the run's own persona, or with `pretrained` none at all.
    """

    name: str
    study: str | None = None
    settings: Settings | None = None
    photos: int | None = None
    pretrained: bool = False


def variants(subject: Subject, evaluation: Evaluation) -> Iterator[Variant]:
    """Every variant that the evaluation compares for this subject."""
    if "pretrained" in evaluation.against:
        yield Variant("pretrained", pretrained=True)
    yield Variant("personalized")
    if "full" in evaluation.against:
        yield Variant("full", settings=full(subject.settings))
    own = subject.settings
    if "ranks" in evaluation.studies:
        for rank in evaluation.ranks:
            yield Variant(f"rank {rank}", "ranks", _with_recipe(own, rank=rank))
    if "layouts" in evaluation.studies:
        for layout in get_args(Layout):
            yield Variant(f"layout {layout}", "layouts", _with_recipe(own, layout=layout))
    if "sizes" in evaluation.studies:
        there = len(subject.context.album)
        for size in dict.fromkeys(min(size, there) for size in evaluation.sizes):
            yield Variant(f"{size} photos", "sizes", own, photos=size)


def _with_recipe(settings: Settings, **changes: Any) -> Settings:  # noqa: ANN401 - a recipe's own keys
    return replace(settings, recipe=replace(settings.recipe, **changes))


def persona_of(subject: Subject, variant: Variant, run: Run) -> Persona | None:
    """The variant's persona: the subject's own, none, or one tuned now; what was tuned stays in the run's folder, and a
    tuning that was stopped goes on.
    """
    if variant.pretrained:
        return None
    if variant.settings is None:
        return subject.context.persona
    device = subject.context.album.photos.device
    file = run.directory / "personas" / f"{subject.name}, {variant.name}.persona.safetensors"
    if file.exists():
        return load_persona(file).to(device)
    file.parent.mkdir(exist_ok=True)
    context = replace(subject.context, album=subject.context.album[: variant.photos], persona=None)
    persona = untrained(context, variant.settings, subject.inverted[: len(context.album)])
    place = {"sitter": subject.name, "way": variant.name}
    state = run.load_state()
    start = state if state is not None and {k: state[1].get(k) for k in place} == place else None
    with kept(run) as tick:
        tune(
            context,
            persona,
            variant.settings.tuning,
            seed=variant.settings.seed,
            memory=variant.settings.memory,
            start=start,
            tick=within(tick, {}, **place),
        )
    save_persona(file, persona)
    run.save_state({"done": torch.tensor(0)}, {})
    return persona


def anchors_of(subject: Subject, variant: Variant, persona: Persona | None) -> Tensor:
    """The variant's anchors [N, L, D]: the persona's, which may have moved with it, or as inversion found them."""
    anchors = subject.inverted if persona is None else persona.anchors
    return anchors_as_ws(anchors, subject.context.generator.latent.num_ws)
