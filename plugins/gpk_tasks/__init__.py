"""The tasks: what one can do with a generator, an album and a persona. Light: a task is imported when it is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from corekit.plugin import Task, hookimpl

gpk_api = 1


@hookimpl
def gpk_tasks() -> Sequence[Task]:
    """What gpk itself can do."""
    return [
        Task("personalize", "an album into a persona: invert, tune, report", _later("personalize", "personalize")),
        Task(
            "synthesize",
            "new pictures of the subject, drawn at random from its hull",
            _later("synthesize", "synthesize"),
            settings=_named("synthesize", "Synthesis"),
            persona="optional",
        ),
    ]


def _later(module: str, name: str) -> Callable[..., Any]:
    """The function of that name, whose module is imported at the first call."""

    def call(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as the function takes and returns
        return getattr(import_module(f"gpk_tasks.{module}"), name)(*arguments, **options)

    call.__doc__ = f"See `gpk_tasks.{module}.{name}`."
    return call


def _named(module: str, name: str) -> Callable[[], type]:
    """What gives the class of that name, importing its module."""
    return lambda: getattr(import_module(f"gpk_tasks.{module}"), name)
