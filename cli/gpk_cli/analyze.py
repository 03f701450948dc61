"""`gpk analyze`: what personas change in their generator, layer by layer, and what each of the changes does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gpk.errors import ExtraError, InputError, PersonaError, WeightsError
from gpk.registry import Registry
from gpk_cli.context import find_device, make_context
from gpk_cli.options import LabelsAs, settings_command
from gpk_cli.output import AsJson, say
from gpk_cli.progress import progress
from gpk_cli.run import nothing_left
from gpk_cli.stdout import print_json
from gpk_cli.subject import ASKED, labels_as_of, made_for, named, persona_file, photos_of
from gpk_cli.summary import show_layers
from gpk_tasks.analyze.settings import Analysis

if TYPE_CHECKING:
    from gpk.persona import Persona
    from gpk_tasks.analyze.analyze import Subject

TITLE = "Tell which layers personas change, how much (the paper's Fig. 9), and what each of the changes does."
Grouping = Literal["block", "part", "kind", "site"]


def gpk_commands(app: typer.Typer) -> None:
    """Adds this module's command."""
    told = f"{TITLE}\n\nThe same command goes on where it was stopped."
    app.command(name="analyze", help=told)(settings_command(run_analysis, Analysis))


def run_analysis(
    registry: Registry,
    given: Mapping[str, Any],
    *,
    subjects: Annotated[
        list[Path],
        typer.Argument(metavar="SUBJECT...", help="*.persona.safetensors files, or the runs of them."),
    ],
    by: Annotated[Grouping, typer.Option(help="What the table's lines are; the files have all.")] = "block",
    album: Annotated[
        Path | None, typer.Option(help="Photos of the subject, for ID_sim [default: where the run found them].")
    ] = None,
    labels_as: LabelsAs = None,
    backend: Annotated[str | None, typer.Option(help=ASKED)] = None,
    weights: Annotated[Path | None, typer.Option(help="The generator's weights, if not those of gpk's cache.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("analysis"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Analyzes the personas in `out`, or goes on there, and shows one of the tables."""
    from gpk.importance import GROUPINGS
    from gpk.typed import to_dataclass
    from gpk_checkpoints.download import file_sha256
    from gpk_checkpoints.personas import load_persona
    from gpk_runs.run import Run
    from gpk_tasks.analyze.analyze import analyze
    from gpk_tasks.analyze.files import to_json, write_files, write_plot
    from gpk_tasks.analyze.page import write_layers

    settings = to_dataclass(Analysis, given, source="the command line")
    if len(subjects) > 1 and album is not None:
        raise InputError("--album is of one subject: with several leave it out")
    where = find_device(device)
    files = {name: persona_file(subject) for name, subject in named(subjects).items()}
    personas = {name: load_persona(file) for name, file in files.items()}
    require_alike(personas)
    albums = {name: album or _photos(subject) for name, subject in named(subjects).items()}
    turns = {name: labels_as or labels_as_of(subject) for name, subject in named(subjects).items()}
    facts = {
        "task": "analyze",
        "subjects": {name: file_sha256(file) for name, file in files.items()},
        "photos": {name: str(photos.resolve()) if photos else "" for name, photos in albums.items()},
        "settings": json.loads(json.dumps(vars(settings))),
    }
    facts |= {"labels_as": turns} if any(turns.values()) else {}

    def maker(name: str) -> Callable[[], Subject]:
        def make() -> Subject:
            return subject_of(
                registry, name, personas[name], files[name], albums[name],
                asked=backend, weights=weights, device=device, labels_as=turns[name],
            )  # fmt: skip

        return make

    with nothing_left(out), progress() as show, Run.open(out, facts, show=show, device=where) as run:
        found = analyze([(name, maker(name)) for name in files], settings, run)
    groupings = tuple(GROUPINGS) if found[0].placed else ("kind", "site")
    written = list(write_files(out, found, settings, groupings))
    write_layers(out / "layers.html", found, settings, groupings, title=_title(personas))
    written.append("layers.html")
    try:
        for name in ("layers.png", "layers.svg"):
            write_plot(out / name, found, title=_title(personas))
            written.append(name)
    except (ExtraError, InputError) as error:
        say(f"No plot: {error}")
    if as_json:
        print_json(to_json(found, settings, groupings))
        return
    show_layers(found, settings, grouping=by if by in groupings else "site")
    say(f"In {out}: {', '.join(written)}.")


def require_alike(personas: Mapping[str, Persona]) -> None:
    """Raises PersonaError where personas are of different generators or recipes, naming two and what differs."""
    (first, one), *others = personas.items()
    for name, other in others:
        theirs = {"backend": other.origin.backend, "weights": other.origin.base, **other.recipe.to_json()}
        ours = {"backend": one.origin.backend, "weights": one.origin.base, **one.recipe.to_json()}
        for key in ours | theirs:
            if ours.get(key) != theirs.get(key):
                told = f"{key} is {_short(ours.get(key))} there and {_short(theirs.get(key))} here"
                raise PersonaError(f"{first} and {name} cannot be told together: {told}. Analyze them one by one")


def subject_of(
    registry: Registry,
    name: str,
    persona: Persona,
    file: Path,
    photos: Path | None,
    *,
    asked: str | None = None,
    weights: Path | None,
    device: str,
    labels_as: str | None = None,
) -> Subject:
    """Who is analyzed, with as much of the generator as is here; what is missing is said, and what for."""
    import torch

    from gpk.attach import check_shapes
    from gpk.logger import NullLogger
    from gpk_tasks.analyze.analyze import Subject

    try:
        backend, card = made_for(registry, persona, file, asked=asked)
    except PersonaError as error:
        say(f"Without the generator's family only single weights can be told, and no |dW| / |W0|: {error}")
        return Subject(name, persona, None, None)
    try:
        context = make_context(
            registry,
            backend,
            card,
            photos,
            weights=weights,
            device=device,
            logger=NullLogger(),
            persona=persona,
            least=1,
            labels_as=labels_as,
        )
    except WeightsError as error:
        if weights is not None:
            raise
        say(f"Without the generator's weights there is no |dW| / |W0|, and nothing to show: {error}")
        with torch.device("meta"):
            generator = backend.build(card.config)
        check_shapes(generator, persona)
        return Subject(name, persona, generator, None)
    return Subject(name, persona, context.generator, context)


def _photos(subject: Path) -> Path | None:
    """The photos that a run learned from, where they still are; None for a persona's file alone."""
    if subject.is_file():
        return None
    photos, _ = photos_of(subject)
    if photos is not None and not photos.exists():
        say(f"{subject} learned from {photos}, which is gone: ID_sim is to what the persona itself shows")
        return None
    return photos


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 24 else f"{text[:20]}…"


def _title(personas: Mapping[str, Persona]) -> str:
    first = next(iter(personas.values()))
    who = next(iter(personas)) if len(personas) == 1 else f"{len(personas)} subjects"
    return f"{first.origin.backend} · {who} · rank {first.recipe.rank} {first.recipe.layout}"
