"""A subject on the bench, and tasks run in a folder, stopped half-way or not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from corekit.album import Album
from corekit.bench import Bench, Silence
from corekit.generator import Generator, fingerprint
from corekit.lowrank import LoRA
from corekit.order import seeded
from corekit.persona import Origin, Persona
from corekit.plugin import Backend, Card
from corekit.recipe import Recipe
from gpk_runs.run import Run
from gpk_tasks import keeping


@pytest.fixture
def subject(generator: Generator) -> Bench:
    """Each family in turn, with a persona of five anchors that changes what it shows."""
    anchors = generator.mapping(torch.randn(5, generator.latent.z_dim, generator=seeded(1)))[:, 0]
    persona = Persona.create(
        generator, Recipe(), origin=Origin("small", "small", fingerprint(generator)), anchors=anchors, rng=seeded(0)
    )
    with torch.no_grad():
        for change in persona.changes.values():
            if isinstance(change, LoRA):
                change.B.normal_(std=0.3, generator=seeded(2))
    card = Card("small", "Small", "none")
    backend = Backend("small", "Small", (card,), lambda config: generator, cameras=generator.orbit() is not None)
    album = Album(torch.empty(0, 3, generator.resolution, generator.resolution), ())
    return Bench(
        backend, card, generator, lambda a, b: (a - b).abs().mean((1, 2, 3)), album, Silence(), persona=persona
    )


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
        task: Callable[..., Mapping[str, Any]], bench: Bench, settings: Any, folder: Path, *, stop_at: int | None = None
    ) -> Done:
        shown = 0

        def show(stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
            nonlocal shown
            shown += 1
            if shown == stop_at:
                raise KeyboardInterrupt

        with Run.open(folder, {"settings": str(settings)}, show=show) as run:
            facts = task(dataclasses.replace(bench, journal=run), settings, run)
            run.finish()
        files = (p for p in folder.rglob("*") if p.suffix in (".png", ".webp", ".safetensors"))
        return Done(facts, {str(p.relative_to(folder)): p.read_bytes() for p in files})

    return do
