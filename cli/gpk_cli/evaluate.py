"""`gpk evaluate`: the paper's protocols on one's own runs, against baselines that are run for real."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpk.errors import ExtraError, InputError, RunError, UnknownNameError, WeightsError
from gpk.plugin import JudgeCard
from gpk.registry import Registry
from gpk_cli.choice import CHOSEN
from gpk_cli.context import find_device, make_context
from gpk_cli.held_out import open_held_out
from gpk_cli.options import LabelsAs, settings_command
from gpk_cli.output import AsJson, say
from gpk_cli.progress import progress
from gpk_cli.run import nothing_left
from gpk_cli.stdout import json_of, print_json
from gpk_cli.subject import ASKED, labels_as_of, made_for, named, persona_file, photos_of, told_backend
from gpk_cli.summary import show_tables
from gpk_evaluate.settings import Evaluation, quick

if TYPE_CHECKING:
    from gpk.album import Album
    from gpk_evaluate.instruments import Instruments
    from gpk_evaluate.variants import Subject
    from gpk_tasks.personalize.settings import Settings

GENERAL = ("lpips-alex", "dists", "arcface", "dlib-id", "timm")
"""Who judges where a backend names nobody; those whose weights are not here are told, and left out."""
TITLE = "Follow the paper's protocols for runs, against the pretrained generator and full fine-tuning."


def gpk_commands(app: typer.Typer) -> None:
    """Adds this module's command."""
    told = f"{TITLE}\n\nThe same command goes on where it was stopped."
    app.command(name="evaluate", help=told)(settings_command(run_evaluation, Evaluation))


def run_evaluation(
    registry: Registry,
    given: Mapping[str, Any],
    *,
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Runs of `gpk personalize`, or persona files.")],
    album: Annotated[
        Path | None, typer.Option(help="Held-out photos of the subject [default: those of the run].")
    ] = None,
    references: Annotated[
        Path | None, typer.Option(help="The photos learned from [default: where the run found them].")
    ] = None,
    quickly: Annotated[
        bool, typer.Option("--quick", help="Few pictures and steps: to see, not to quote. Other options win.")
    ] = False,
    judge: Annotated[
        list[str] | None,
        typer.Option(help="A network that judges, NAME or NAME=WEIGHTS; may be given again [default: the backend's]."),
    ] = None,
    labels_as: LabelsAs = None,
    backend: Annotated[str | None, typer.Option(help=ASKED)] = None,
    weights: Annotated[Path | None, typer.Option(help="The generator's weights, if not those of gpk's cache.")] = None,
    lpips_weights: Annotated[Path | None, typer.Option(help="Backbone weights for LPIPS in the loss.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("evaluation"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Evaluates the runs in `out`, or goes on there, and shows the tables."""
    from gpk.typed import to_dataclass
    from gpk_checkpoints.atomic import write_atomically
    from gpk_evaluate.evaluation import evaluate
    from gpk_evaluate.table import to_json, to_markdown, write_curve, write_sheets
    from gpk_runs.run import Run

    if len(runs) > 1 and (album or references):
        raise InputError("--album and --references are of one subject: with several runs leave them out")
    base = {field.name: getattr(quick(Evaluation()), field.name) for field in dataclasses.fields(Evaluation)}
    settings = to_dataclass(Evaluation, (base if quickly else {}) | dict(given), source="the command line")
    where = find_device(device)
    sources = {name: _source(registry, run, album, references, labels_as) for name, run in named(runs).items()}
    instruments = _instruments(registry, sources, judge or [], where, asked=backend)
    for name, reason in instruments.absent.items():
        say(f"Without {name}: {reason}")
    facts: dict[str, Any] = {
        "task": "evaluate",
        "subjects": {name: source.digest() for name, source in sources.items()},
        "networks": dict(instruments.digests),
        "settings": _plain(settings, but=("tasks", "against")),
    }

    def maker(name: str) -> Callable[[], Subject]:
        return lambda: _subject(registry, name, sources[name], settings, backend, weights, lpips_weights, device)

    with nothing_left(out), progress() as show, Run.open(out, facts, show=show, device=where) as run:
        measured = evaluate([(name, maker(name)) for name in sources], settings, instruments, run)
        told = facts | {"absent": dict(instruments.absent)}
        plain = to_json(measured, told)
        write_atomically(out / "results.json", [json_of(plain, indent=1).encode()])
        write_atomically(out / "tables.md", [to_markdown(measured, told).encode()])
        sheets = write_sheets(run, measured)
        try:
            write_curve(out / "interpolation.png", measured)
        except ExtraError as error:
            say(f"No plot: {error}")
    if as_json:
        print_json(plain)
        return
    show_tables(measured)
    say(f"In {out}: tables.md, results.json, {len(sheets)} contact sheets in pictures, and the personas tuned for it.")


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a subject comes from: the persona's file, the albums, the settings it was tuned by, the digest of the album
    that it learned from, the anchors as inversion found them, in the run's state, and how both albums' labels are
    turned.
    """

    file: Path
    album: Path
    held_out: Path | None
    settings: Settings | None
    album_digest: str | None
    state: Path | None
    labels_as: str | None
    held_out_as: str | None

    def digest(self) -> dict[str, str]:
        """What tells whether it is the same subject."""
        from gpk_checkpoints.download import file_sha256

        turned = {"labels_as": self.labels_as, "held_out_as": self.held_out_as}
        return {name: turns for name, turns in turned.items() if turns is not None} | {
            "persona": file_sha256(self.file),
            "held_out": str(self.held_out.resolve()) if self.held_out is not None else "",
        }


def _source(
    registry: Registry, run: Path, held_out: Path | None, references: Path | None, labels_as: str | None
) -> Source:
    """What the run, or the persona's file, tells of its subject; `labels_as` is of photos that are given, and those
    that the run learned from are turned as it did. Raises InputError where it does not tell enough.
    """
    from gpk_checkpoints.personas import read_header
    from gpk_runs.folder import CONFIG
    from gpk_runs.settings import read_config
    from gpk_tasks.personalize.settings import Settings, resolve

    file = persona_file(run)
    read_header(file)  # raises where it is no persona
    if run.is_file() or not (run / CONFIG).exists():
        if references is None:
            raise InputError(f"{file} does not tell where its photos are: give them with --references")
        return Source(file, references, held_out, None, None, None, labels_as, labels_as)
    plain = read_config(run / CONFIG)
    if plain.get("task") != "personalize":
        raise InputError(f"{run} is a run of {str(plain.get('task'))[:80]!r}: give one of `gpk personalize`")
    photos, others = photos_of(run)
    found = references or photos
    if found is None or not found.exists():
        lost = f", and they are not at {found}" if found is not None else ""
        raise InputError(f"{run} learned from photos that are needed here{lost}: give --references")
    unseen, own = held_out or others, labels_as_of(run)
    settings = resolve(Settings(), (str(run / CONFIG), {k: v for k, v in plain.items() if k not in CHOSEN}))
    return Source(
        file,
        found,
        unseen,
        settings,
        plain.get("album"),
        run / "state.safetensors",
        labels_as or own if references else own,
        labels_as or own,
    )


def _subject(
    registry: Registry,
    name: str,
    source: Source,
    evaluation: Evaluation,
    asked: str | None,
    weights: Path | None,
    lpips_weights: Path | None,
    device: str,
) -> Subject:
    from gpk.logger import NullLogger
    from gpk_checkpoints.personas import load_persona
    from gpk_evaluate.evaluation import can_edit, require
    from gpk_evaluate.variants import Subject
    from gpk_runs.state import read_state
    from gpk_tasks.personalize.personalize import INVERTED
    from gpk_tasks.personalize.presets import preset

    persona = load_persona(source.file)
    backend, card = made_for(registry, persona, source.file, asked=asked)
    context = make_context(
        registry, backend, card, source.album, weights=weights, device=device, logger=NullLogger(), persona=persona,
        lpips_weights=lpips_weights, labels_as=source.labels_as,
    )  # fmt: skip
    if source.album_digest is not None and context.album.digest() != source.album_digest:
        raise InputError(f"{source.album} is not the album that {source.file} learned from, or has changed since")
    inverted = persona.anchors
    if source.state is not None and source.state.exists():
        inverted = read_state(source.state)[0].get(INVERTED, inverted)
    if len(inverted) != len(context.album):
        raise InputError(
            f"{source.album} has {len(context.album)} usable photos, where {source.file} learned from {len(inverted)}"
        )
    settings = source.settings or dataclasses.replace(preset("fast"), recipe=persona.recipe)
    unseen: Album | None = None
    if source.held_out is not None:
        unseen, _ = open_held_out(registry, source.held_out, context, labels_as=source.held_out_as)
    subject = Subject(name, context, inverted.to(context.album.photos.device), settings, unseen)
    require(subject, evaluation)
    if "editing" in evaluation.protocols and not can_edit(subject):
        say(f"Without editing: {backend.name} has no judge of attributes, so no direction can be learned here")
    return subject


def _instruments(
    registry: Registry,
    sources: Mapping[str, Source],
    chosen: Sequence[str],
    device: Any,  # noqa: ANN401 - a torch device
    *,
    asked: str | None,
) -> Instruments:
    """The networks that judge; the backend's own where none is chosen, with GENERAL where it names no judge."""
    from gpk.generator import fingerprint
    from gpk_checkpoints.personas import read_header
    from gpk_evaluate.instruments import Instruments

    families = {read_header(source.file)["backend"] for source in sources.values()}
    if len(families) > 1:
        raise InputError(f"these runs are of {', '.join(sorted(families))}: evaluate those of one backend at a time")
    backend = told_backend(registry, families.pop(), asked=asked, of="these runs are of")
    own = [name for name in (backend.judge, backend.reporting or backend.distance) if name is not None]
    names = list(chosen) or (own if backend.judge is not None else list(dict.fromkeys([*own, *GENERAL])))
    cards: list[tuple[JudgeCard, Path | None, bool]] = []
    absent: dict[str, str] = {}
    for text in names:
        name, _, file = text.partition("=")
        try:
            card = registry.judge(name, backend.framing)
        except UnknownNameError:
            raise
        except InputError as error:  # it cannot look at pictures that are framed so
            absent[name] = str(error)
            continue
        cards.append((card, Path(file) if file else None, bool(chosen)))
    if backend.attributes is not None:
        cards.append((registry.judge(backend.attributes), None, False))
    found: dict[str, dict[str, Any]] = {"judge": {}, "distance": {}, "attributes": {}}
    digests: dict[str, str] = {}
    for card, file, wanted in cards:
        try:
            network = card.load(file).to(device)
        except (ExtraError, WeightsError) as error:
            if wanted and file is not None:  # a file that was named and is no such weights
                raise
            absent[card.name] = str(error)
            continue
        found[card.kind][card.name] = network
        digests[card.name] = fingerprint(network)
    if not found["judge"] and not found["distance"]:
        told = "; ".join(f"{name}: {reason}" for name, reason in absent.items())
        raise RunError(f"nobody is here to judge: {told}. Give --judge NAME=WEIGHTS (see `gpk judges`)")
    reader = next(iter(found["attributes"].values()), None)
    return Instruments(found["judge"], found["distance"], reader, absent, digests)


def _plain(settings: Evaluation, *, but: Sequence[str]) -> dict[str, Any]:
    plain = json.loads(json.dumps(dataclasses.asdict(settings)))
    return {name: value for name, value in plain.items() if name not in but}
