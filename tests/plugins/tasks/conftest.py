"""Tasks run in a folder, stopped half-way or not."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from gpk.context import Context
from gpk_runs.run import Run
from gpk_tasks import keeping


@pytest.fixture(scope="module")
def job() -> ModuleType:
    """The small job of job.py, which is a program too."""
    spec = importlib.util.spec_from_file_location("small_job", Path(__file__).with_name("job.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Done(NamedTuple):
    """What a task found, and the bytes of its results by name."""

    facts: Mapping[str, Any]
    files: dict[str, bytes]


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """Does a task in a folder, from where it was stopped.

    With `stop_at` a KeyboardInterrupt comes out of that progress, with no more warning than a kill gives.
    """
    monkeypatch.setattr(keeping, "SAVE_EVERY", 0.0)

    def do(
        task: Callable[..., Mapping[str, Any]],
        context: Context,
        settings: Any,
        folder: Path,
        *,
        stop_at: int | None = None,
    ) -> Done:
        shown = 0

        def show(stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
            nonlocal shown
            shown += 1
            if shown == stop_at:
                raise KeyboardInterrupt

        with Run.open(folder, {"settings": str(settings)}, show=show) as run:
            facts = task(dataclasses.replace(context, logger=run), settings, run)
            run.finish()
        files = (p for p in folder.rglob("*") if p.suffix in (".png", ".webp", ".safetensors"))
        return Done(facts, {str(p.relative_to(folder)): p.read_bytes() for p in files})

    return do
