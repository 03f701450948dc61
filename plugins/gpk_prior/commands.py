"""`train`: the recipe of the embedded networks. `judges`: what the bundled judges are worth."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpk_prior.train import Progress


def train(
    work: Path,
    what: str = "prior",
    minutes: float = 80.0,
    seed: int = 0,
    out: str = "",
    workers: int = 1,
    fast: bool = False,
) -> None:
    """Train an embedded network in the folder WORK, or go on there; then write its weights file.

    WHAT is prior, prior-2d, distance, perceptual, attributes, identity or finder, the detector; all but the priors take
    their own number of steps, not MINUTES, and attributes those of perceptual, once in one folder. OUT is the weights
    file to write; empty leaves it in WORK. WORKERS processes divide each batch of a prior; FAST compiles a prior, which
    needs a C++ compiler, and convolves in bfloat16, as the bundled weights were made.
    """
    import json

    from gpk.errors import InputError, UnknownNameError

    known = ("prior", "prior-2d", "distance", "perceptual", "attributes", "identity", "finder")
    if what not in known:
        raise UnknownNameError("network", what, known)
    if minutes <= 0 or workers < 1:
        raise InputError(f"minutes must be positive and workers at least 1, not {minutes} and {workers}")
    weights = Path(out) if out else work / f"minicat-{what}.safetensors"
    if what in ("prior", "prior-2d"):
        facts = _train_prior(work, weights, what, minutes, seed, workers, fast)
    elif what == "finder":
        facts = _train_finder(work, weights, seed, fast)
    else:
        facts = _train_judge(work, weights, what, seed, fast)
    print(json.dumps({"weights": str(weights)} | facts))


def judges(work: str = "", weights: str = "") -> None:
    """Examine the judges on procedural cats that no training saw, and print the figures as JSON; about a minute.

    WORK is a folder that keeps the rendered cats for the next time; empty keeps nothing. WEIGHTS is a folder with
    minicat-distance, -perceptual, -attributes and -identity.safetensors; empty examines the bundled ones.
    """
    import json
    import tempfile

    from gpk_minicat import attributes, distance, identity, perceptual
    from gpk_prior import examination

    folder = Path(weights) if weights else distance.WEIGHTS.parent
    distances = {
        "minicat-distance": distance.load_distance(folder / distance.WEIGHTS.name),
        "minicat-perceptual": perceptual.load_perceptual(folder / perceptual.WEIGHTS.name),
        "mse": examination.squared_error,
    }
    judge = identity.load_identity(folder / identity.WEIGHTS.name)
    reader = attributes.load_attributes(folder / attributes.WEIGHTS.name)
    with tempfile.TemporaryDirectory() as scratch:
        kept = Path(work) if work else Path(scratch)
        kept.mkdir(parents=True, exist_ok=True)
        print(json.dumps(examination.examine(kept, distances, judge, reader)))


def _train_prior(
    work: Path, weights: Path, what: str, minutes: float, seed: int, workers: int, fast: bool
) -> dict[str, object]:
    from gpk_prior.export import export
    from gpk_prior.pictures import Pictures, render_shard
    from gpk_prior.prior_2d import PRIOR_2D
    from gpk_prior.prior_3d import PRIOR_3D
    from gpk_prior.train import Recipe, train

    prior = PRIOR_2D if what == "prior-2d" else PRIOR_3D
    recipe = Recipe(steps=10**9, minutes=minutes, seed=seed, workers=workers, bfloat16=fast, compiled=fast)
    state = train(work, recipe, prior=prior, progress=_report)
    unseen = Pictures([render_shard(work, seed, recipe.shards - 1)])
    return export(state, weights, prior=prior, validation=unseen.tail(256))


def _train_judge(work: Path, weights: Path, what: str, seed: int, fast: bool) -> dict[str, object]:
    import dataclasses
    from typing import cast

    from gpk_prior.train_judges import RECIPES, JudgeName, train_judge

    name = cast("JudgeName", what)
    # The recipes' own seeds differ, and none may come near the one of the examination.
    recipe = dataclasses.replace(RECIPES[name], seed=RECIPES[name].seed + 10 * seed, bfloat16=fast)
    return train_judge(name, work, recipe, weights=weights, report=_report_step)


def _train_finder(work: Path, weights: Path, seed: int, fast: bool) -> dict[str, object]:
    from gpk_prior.train_finder import FinderRecipe, train_finder

    return train_finder(work, FinderRecipe(seed=10 * seed, bfloat16=fast), weights=weights, report=_report_step)


def _report(progress: Progress) -> None:
    if progress.step % 50 == 0:
        terms = " ".join(f"{name} {value:.4g}" for name, value in progress.terms.items())
        left = (
            "" if progress.seconds_left != progress.seconds_left else f", {progress.seconds_left / 60:.1f} minutes left"
        )
        print(f"step {progress.step}: {progress.done:.1%} done{left}: {terms}", file=sys.stderr, flush=True)


def _report_step(step: int, steps: int, loss: float) -> None:
    if step % 50 == 0:
        print(f"step {step} of {steps}: loss {loss:.4f}", file=sys.stderr, flush=True)
