"""The tasks: what one can do with a generator and an album. Light: a task is imported when it is run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from corekit.plugin import Task, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

    from corekit.bench import Bench
    from gpk_runs.run import Run
    from gpk_tasks.personalize import Outcome
    from gpk_tasks.settings import Inversion, Settings

gpk_api = 1


def run_personalize(bench: Bench, settings: Settings, run: Run) -> Outcome:
    """See `gpk_tasks.personalize.personalize`."""
    from gpk_tasks.personalize import personalize

    return personalize(bench, settings, run)


def run_invert(bench: Bench, settings: Inversion, *, seed: int = 0) -> Tensor:
    """See `gpk_tasks.invert.invert`."""
    from gpk_tasks.invert import invert

    return invert(bench, settings, seed=seed)


@hookimpl
def gpk_tasks() -> Sequence[Task]:
    """What gpk itself can do."""
    return [
        Task("personalize", "an album into a persona: invert, tune, report", run_personalize),
        Task("invert", "an album into anchors in W or W+", run_invert),
    ]
