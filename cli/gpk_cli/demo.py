"""`gpk demo`: the main job from nothing, on the embedded prior and a cat that nobody ever saw."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gpk.registry import Registry
from gpk_cli.output import AsJson, say

BACKEND = "eg3d-minicat"


def gpk_commands(app: typer.Typer) -> None:
    """Adds this module's command."""
    app.command()(demo)


def demo(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder for the album and the run.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Which cat.")] = 7,
    preset: Annotated[str, typer.Option(help="fast, my3dgen or paper.")] = "fast",
    steps: Annotated[int | None, typer.Option(help="Steps of tuning.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Photograph a cat, personalize the embedded generator on it, show what was learned. A few minutes, no network."""
    from gpk_cli.personalize import run_job
    from gpk_cli.summary import show_outcome
    from gpk_minicat.album import write_album
    from gpk_minicat.truth import read_masks
    from gpk_tasks.personalize.presets import preset as settings_of
    from gpk_tasks.personalize.settings import resolve

    registry: Registry = ctx.obj
    backend = registry.backend(BACKEND)
    layer = {"seed": seed} | ({} if steps is None else {"tuning": {"steps": steps}})
    settings = resolve(settings_of(preset), ("the command line", layer))
    album = out / f"album-{seed}"
    write_album(album, seed)
    say(f"One cat, with an eye patch, odd eyes and a torn ear: 12 photos to learn from and 6 held out, in {album}")
    run = out / f"run-{seed}"
    outcome = run_job(
        registry,
        backend,
        backend.card,
        settings,
        album / "train",
        run,
        held_out=album / "held-out",
        masks=read_masks(album),
        device=device,
    )
    show_outcome(outcome, run, as_json=as_json)
