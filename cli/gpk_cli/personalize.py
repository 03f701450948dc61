"""`gpk personalize`: an album into a persona."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpk.errors import InputError, RunError
from gpk.plugin import Backend, Card
from gpk.registry import Registry
from gpk_cli.choice import Choice, choose
from gpk_cli.context import Precision, find_device, introduce, make_context
from gpk_cli.held_out import open_held_out
from gpk_cli.options import LabelsAs
from gpk_cli.output import AsJson, say
from gpk_cli.places import default_out
from gpk_cli.progress import progress
from gpk_cli.summary import show_outcome, show_plan

if TYPE_CHECKING:
    from torch import Tensor

    from gpk_runs.run import Run
    from gpk_tasks.personalize.settings import Settings

NOT_SQUARE = "has photos that are not square"


def gpk_commands(app: typer.Typer) -> None:
    """Adds this module's command."""
    app.command()(personalize)


def personalize(
    ctx: typer.Context,
    album: Annotated[Path | None, typer.Argument(help="Folder or zip of photos, raw or prepared.")] = None,
    backend: Annotated[str | None, typer.Option(help="Family of generators: see `gpk backends`.")] = None,
    card: Annotated[str | None, typer.Option(help="Checkpoint of the backend; its first by default.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Safetensors in the official state-dict layout.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder [default: runs/ALBUM-BACKEND, never inside ALBUM].")
    ] = None,
    anchors: Annotated[
        Path | None,
        typer.Option(help="Codes that another tool found, instead of inversion: a file, or a folder with one a photo."),
    ] = None,
    preset: Annotated[str | None, typer.Option(help="fast (default), my3dgen or paper.")] = None,
    rank: Annotated[int | None, typer.Option(help="Rank of LoRA.")] = None,
    alpha: Annotated[float | None, typer.Option(help="Strength of LoRA: its scale is alpha / rank.")] = None,
    layout: Annotated[str | None, typer.Option(help="flat, kernel or loralib.")] = None,
    steps: Annotated[int | None, typer.Option(help="Steps of tuning.")] = None,
    anchor_steps: Annotated[int | None, typer.Option(help="Steps of inversion.")] = None,
    anchor_batch: Annotated[int | None, typer.Option(help="Photos that are inverted together.")] = None,
    batch: Annotated[int | None, typer.Option(help="Photos in a step of tuning.")] = None,
    lr: Annotated[float | None, typer.Option(help="Peak learning rate of LoRA.")] = None,
    space: Annotated[str | None, typer.Option(help="Space of the anchors: w or w+.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    memory: Annotated[
        float | None, typer.Option(help="GiB that a step may take [default: 8, on a GPU four fifths of its memory].")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    precision: Annotated[
        Precision | None,
        typer.Option(help="Of the parts that the card marks [default: auto, what the device gains by]."),
    ] = None,
    distance: Annotated[str | None, typer.Option(help="Perceptual distance of the loss: see `gpk judges`.")] = None,
    lpips_weights: Annotated[
        Path | None, typer.Option(help="Backbone weights for LPIPS, where they cannot be downloaded.")
    ] = None,
    judge: Annotated[
        str | None, typer.Option(help="Who tells likeness (ID_sim), as NAME or NAME=FILE [default: the backend's].")
    ] = None,
    held_out: Annotated[Path | None, typer.Option(help="Another album of the subject, to be scored only.")] = None,
    labels_as: LabelsAs = None,
    config: Annotated[Path | None, typer.Option(help="Settings as YAML, such as a run's config.yaml.")] = None,
    no_prepare: Annotated[
        bool, typer.Option("--no-prepare", help="Refuse raw photos instead of preparing them as `gpk prepare` does.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what it would take; needs neither album nor weights.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Turn an album into a persona. The same command goes on where it was stopped."""
    registry: Registry = ctx.obj
    chosen = choose(registry, ctx.params, config)
    if dry_run:
        from gpk_tasks.personalize.plan import plan

        where = str(find_device(device))
        introduce(chosen.backend, chosen.card)
        show_plan(plan(chosen.backend, chosen.card, chosen.settings, given=anchors, device=where), as_json=as_json)
        return
    if album is None:
        raise InputError("which album? Give a folder or zip of photos: gpk personalize ALBUM --backend NAME")
    directory, outcome = job(registry, chosen, album, out, ctx.params)
    show_outcome(outcome, directory, as_json=as_json)


def job(
    registry: Registry, chosen: Choice, album: Path, out: Path | None, options: Mapping[str, Any]
) -> tuple[Path, dict[str, Any]]:
    """Does what the options of the command ask for; returns the run's folder and the outcome in JSON types.

    A raw album is prepared first, unless `no_prepare` says that it is to be refused.
    """
    run = out or default_out("runs", album, chosen.backend.name)
    anchors, weights, device = options["anchors"], options["weights"], options["device"]
    if options["no_prepare"]:
        _require_square(album, chosen.backend)
    else:
        album = _prepared(
            registry, chosen.backend, chosen.card, album, run, given=anchors, weights=weights, device=device,
            judge=options["judge"], labels_as=chosen.labels_as,
        )  # fmt: skip
    outcome = run_job(
        registry,
        chosen.backend,
        chosen.card,
        chosen.settings,
        album,
        run,
        anchors=anchors,
        weights=weights,
        distance=chosen.distance,
        precision=chosen.precision,
        lpips_weights=options["lpips_weights"],
        judge=options["judge"],
        held_out=options["held_out"],
        labels_as=chosen.labels_as,
        device=device,
    )
    return run, outcome


def _require_square(album: Path, backend: Backend) -> None:
    """Raises InputError for an album of a 2D generator that has photos to crop; of a 3D one opening it tells more."""
    from gpk_photos.album import is_raw

    if not backend.cameras and is_raw(album, cameras=False):
        raise InputError(
            f"{album} {NOT_SQUARE}, and --no-prepare refuses them: crop them, or leave it out, and they are prepared"
        )


def _prepared(
    registry: Registry,
    backend: Backend,
    card: Card,
    album: Path,
    run: Path,
    *,
    given: Path | None,
    weights: Path | None,
    device: str,
    judge: str | None,
    labels_as: str | None,
) -> Path:
    """The album itself, or where it is raw the one that is made of it, beside the run's folder.

    Raises InputError for a raw album of `given` anchors: they are of crops that somebody else has cut.
    """
    from gpk_cli.prepare import sentence
    from gpk_cli.preparing import prepare_album
    from gpk_photos.album import is_raw

    if not is_raw(album, cameras=backend.cameras):
        return album
    made = run.with_name(f"{run.name}-album")
    lacking = "has no camera labels" if backend.cameras else NOT_SQUARE
    if given is not None:
        raise InputError(
            f"{album} {lacking}, and anchors are of pictures as their tool had them cut: give the album of those, or "
            "run `gpk prepare` first and name the codes after its crops"
        )
    if labels_as is not None and backend.cameras:
        raise InputError(f"{album} {lacking} that --labels-as could turn: leave it out, and gpk finds the cameras")
    say(f"{album} {lacking}: it is prepared in {made} first, as `gpk prepare` does (--no-prepare refuses instead).")
    say(sentence(prepare_album(registry, backend, card, album, made, weights=weights, judge=judge, device=device)))
    return made


def run_job(
    registry: Registry,
    backend: Backend,
    card: Card,
    settings: Settings,
    album: Path,
    out: Path,
    *,
    anchors: Path | None = None,
    weights: Path | None = None,
    distance: str | None = None,
    precision: Precision = "auto",
    lpips_weights: Path | None = None,
    judge: str | None = None,
    held_out: Path | None = None,
    masks: Mapping[str, Tensor] | None = None,
    labels_as: str | None = None,
    device: str = "auto",
) -> dict[str, Any]:
    """Opens or resumes the run in `out`, does what is left of it, and returns the outcome in JSON types.

    `anchors` is where those are that inversion is not to find. `labels_as` turns both albums' labels. `masks` are the
    subject's, by "train" and "held-out", where they are known.
    """
    from gpk.logger import NullLogger
    from gpk.persona import changing_sites
    from gpk_runs.run import Run
    from gpk_tasks.personalize.anchors import given_anchors, listed
    from gpk_tasks.personalize.personalize import describe, personalize
    from gpk_tasks.report.page import REPORT, write_report

    context = make_context(
        registry,
        backend,
        card,
        album,
        weights=weights,
        distance=distance,
        precision=precision,
        lpips_weights=lpips_weights,
        judge=judge,
        device=device,
        logger=NullLogger(),
        labels_as=labels_as,
    )
    changing_sites(context.generator, settings.recipe)  # an impossible recipe must not leave a folder behind
    others = None
    if held_out is not None:
        others, rows = open_held_out(registry, held_out, context, labels_as=labels_as)
        masks = {part: mask[rows] if part == "held-out" else mask for part, mask in (masks or {}).items()}
    given = None if anchors is None else given_anchors(context, anchors)
    facts = {**describe(context, settings, given), "distance": distance or backend.distance, "precision": precision}
    facts |= {} if labels_as is None else {"labels_as": labels_as}
    with progress() as show, Run.open(out, facts, show=show, device=context.album.photos.device) as run:
        if run.finished:
            outcome = _outcome_there(run)
            if not (out / REPORT).exists():
                write_report(out)
            say(f"{out} is finished already; give another --out to do it anew.")
        else:
            for name, reason in context.album.left_out:
                say(f"Left out {name}: {reason}")
            if given is not None and given.unused:
                say(f"Not used, for no photo is called so: {listed(given.unused)}")
            if run.load_state() is not None:
                say(f"Going on in {out} from where it was stopped.")
            else:  # `gpk evaluate` looks here for the photos
                found = None if held_out is None else str(held_out.resolve())
                source = {"album": str(album.resolve()), "held_out": found}
                run.record("source", source if anchors is None else {**source, "anchors": str(anchors.resolve())})
            context = dataclasses.replace(context, logger=run)
            outcome = personalize(context, settings, run, given=given, held_out=others, masks=masks).to_json()
    return outcome


def _outcome_there(run: Run) -> dict[str, Any]:
    """The outcome of a finished run; raises RunError where it or the persona is gone."""
    from gpk_tasks.report.events import Done

    event = next((event for event in reversed(run.read_log()) if event["event"] == "done"), None)
    if event is None:
        raise RunError(f"{run.directory} is finished, but its log does not tell the outcome: give another --out")
    outcome = event.read(Done)
    if not (persona := run.directory / outcome.persona).exists():
        raise RunError(f"{run.directory} is finished, but {persona} is gone: put it back, or give another --out")
    return dataclasses.asdict(outcome)
