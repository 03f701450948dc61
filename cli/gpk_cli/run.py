"""`gpk run TASK`: everything that plugins offer to do, each with the options that its settings are.

A task is asked for its settings, and so imported, only when it is named.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from gpk.errors import InputError
from gpk.plugin import Task
from gpk.registry import OURS, Registry
from gpk.validation import file_name
from gpk_cli.context import make_context
from gpk_cli.options import LabelsAs, options_of, stated, with_parameters
from gpk_cli.output import AsJson, say
from gpk_cli.progress import progress
from gpk_cli.subject import BACKEND, find_subject
from gpk_cli.summary import show_task

if TYPE_CHECKING:
    from gpk.context import Context

SUMMARY = "Do something with a persona: see `gpk run TASK --help` for a task's options."


def gpk_commands(app: typer.Typer) -> None:
    """Adds the group `run`, whose commands are the tasks."""
    group = typer.Typer(name="run", cls=Tasks, help=SUMMARY, rich_markup_mode=None)
    group.callback()(lambda: None)
    app.add_typer(group)


def add_direct(app: typer.Typer, registry: Registry) -> None:
    """Adds gpk's own tasks that people look for by name: `gpk render` is `gpk run render`. Imports none of them."""
    for name, offer in registry.tasks().items():
        if offer.value.direct and offer.distribution == OURS:
            app.command(name=name, help=offer.value.direct, cls=Direct)(lambda: None)


class Tasks(TyperGroup):
    """The tasks as commands, made when they are asked for."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 Typer keeps its own type to itself
        """The names of all tasks that have settings."""
        return list(_tasks(ctx))

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 as above
        """Writes names and summaries, which needs no import."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, task.summary) for name, task in _tasks(ctx).items()])

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 as above
        """The task's command; raises InputError where there is no such task, or it has a command of its own."""
        task = _tasks(ctx).get(cmd_name) or _registry(ctx).task(cmd_name)
        if task.settings is None:
            raise InputError(f"the task {cmd_name!r} is no matter of `gpk run`: it has a command of its own")
        app = typer.Typer(rich_markup_mode=None, add_completion=False)
        app.command(name=cmd_name, help=task.summary)(command_of(task, task.settings()))
        return typer.main.get_command(app)


class Direct(TyperCommand):
    """A task as a command beside `gpk run`, `gpk NAME` for `gpk run NAME`; listing it imports nothing."""

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:  # noqa: ANN401 as above
        """The context of the task's own command, which then is what runs."""
        return self._own(parent).make_context(info_name, args, parent=parent, **extra)

    def get_help(self, ctx: Any) -> str:  # noqa: ANN401 as above
        """The help of the task's own command."""
        return self._own(ctx).get_help(ctx)

    def _own(self, ctx: Any) -> Any:  # noqa: ANN401 as above
        return Tasks(name="run").get_command(ctx, str(self.name))


def _registry(ctx: Any) -> Registry:  # noqa: ANN401 as above
    return ctx.find_root().obj


def _tasks(ctx: Any) -> dict[str, Task]:  # noqa: ANN401 as above
    offers = _registry(ctx).tasks()
    return {name: offer.value for name, offer in offers.items() if offer.value.settings is not None}


@dataclasses.dataclass(frozen=True)
class _Shown:
    """What is shown of a task's outcome."""

    files: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    figures: Mapping[str, Mapping[str, int | float | None]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class _Done:
    """What the log's event `done` holds."""

    outcome: _Shown


def command_of(task: Task, settings: type) -> Callable[..., None]:
    """The task's command: the options of every task, then a field of `settings` each."""

    def command(ctx: typer.Context, **given: Any) -> None:  # noqa: ANN401 as the options are
        run_task(ctx.obj, task, settings, stated(settings, given), **given)

    common = inspect.signature(run_task, eval_str=True).parameters
    shared = [common[name] for name in _shared(task)]
    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    return with_parameters(command, [context, *shared, *options_of(settings)])


def run_task(
    registry: Registry,
    task: Task,
    kind: type,
    given: Mapping[str, Any],
    *,
    subject: Annotated[
        Path | None, typer.Argument(metavar="SUBJECT", help="A *.persona.safetensors file, or the run that made it.")
    ] = None,
    album: Annotated[Path | None, typer.Option(help="Photos to work on: a folder or a zip.")] = None,
    labels_as: LabelsAs = None,
    backend: Annotated[str | None, typer.Option(help=BACKEND)] = None,
    card: Annotated[str | None, typer.Option(help="Checkpoint of the backend.")] = None,
    weights: Annotated[Path | None, typer.Option(help="The generator's weights, if not those of gpk's cache.")] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder [default: runs/TASK-SUBJECT].")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings as YAML, such as a run's config.yaml.")] = None,
    distance: Annotated[str | None, typer.Option(help="Perceptual distance of the loss: see `gpk judges`.")] = None,
    lpips_weights: Annotated[Path | None, typer.Option(help="Backbone weights for LPIPS.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Does the task in the run's folder, or shows what it found there, as it is finished already."""
    from gpk.typed import to_dataclass
    from gpk_runs.run import Run
    from gpk_runs.settings import read_config

    there = {} if config is None else _settings_in(read_config(config), task, config)
    settings = to_dataclass(kind, there | dict(given), source="the command line" if config is None else str(config))
    context = _context(
        registry, task, settings, subject, album, backend=backend, card=card, weights=weights, distance=distance,
        lpips_weights=lpips_weights, device=device, labels_as=labels_as,
    )  # fmt: skip
    name = file_name(context.backend.name) if subject is None else subject.resolve().name.partition(".")[0]
    folder = out or Path("runs") / f"{task.name}-{name}"
    facts = _facts(context, task, settings, distance)
    facts |= {} if labels_as is None else {"labels_as": labels_as}
    with (
        nothing_left(folder),
        progress() as show,
        Run.open(folder, facts, show=show, device=context.album.photos.device) as run,
    ):
        done = next((event for event in reversed(run.read_log()) if event["event"] == "done"), None)
        if run.finished and done is not None:
            say(f"{folder} is finished already; give another --out to do it anew.")
            done.read(_Done)
            outcome = done["outcome"]
        else:
            for photo, reason in context.album.left_out:
                say(f"Left out {photo}: {reason}")
            outcome = dict(task.run(dataclasses.replace(context, logger=run), settings, run))
            run.record("done", {"outcome": outcome})
            run.finish()
    show_task(outcome, folder, as_json=as_json)


@contextmanager
def nothing_left(folder: Path) -> Iterator[None]:
    """Takes away the folder of a run that began in the block and could do nothing: a mistake that only the task could
    see must not stand in the way of the mended command.
    """
    fresh = not folder.exists()
    try:
        yield
    except InputError:
        if fresh and not (folder / "state.safetensors").exists():
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _shared(task: Task) -> list[str]:
    """The options of every task that are of use to this one."""
    names = [
        "subject",
        "album",
        "labels_as",
        "backend",
        "card",
        "weights",
        "out",
        "config",
        "distance",
        "lpips_weights",
        "device",
    ]
    unused = {"album", "labels_as", "distance", "lpips_weights"} if task.photos == "none" else set()
    if task.persona == "needed":
        unused |= {"backend", "card"}
    return [name for name in [*names, "as_json"] if name not in unused]


def _context(
    registry: Registry,
    task: Task,
    settings: Any,  # noqa: ANN401 - the task's own dataclass
    subject: Path | None,
    album: Path | None,
    *,
    backend: str | None,
    card: str | None,
    weights: Path | None,
    distance: str | None,
    lpips_weights: Path | None,
    device: str,
    labels_as: str | None,
) -> Context:
    from gpk.logger import NullLogger

    family, checkpoint, persona = find_subject(
        registry, subject, backend=backend, card=card, weights=weights, needed=task.persona == "needed"
    )
    if task.views and not family.cameras:
        raise InputError(f"{family.name} is a 2D generator and has no views: `{task.name}` needs a 3D one")
    if task.photos == "some" and album is None:
        raise InputError(f"which photos? `{task.name}` works on some: give --album with a folder or a zip")
    return make_context(
        registry,
        family,
        checkpoint,
        album,
        weights=weights,
        distance=distance,
        lpips_weights=lpips_weights,
        device=device,
        logger=NullLogger(),
        persona=persona,
        side=None if task.side is None else lambda full: task.side(settings, full),  # pyright: ignore[reportOptionalCall]
        least=1,
        compares=task.photos != "none",
        labels_as=labels_as,
    )


def _facts(context: Context, task: Task, settings: Any, distance: str | None) -> dict[str, Any]:  # noqa: ANN401
    """Everything that decides the results, in JSON types."""
    from gpk.generator import fingerprint

    persona = None
    if context.persona is not None:
        digest = hashlib.sha256()
        for name, tensor in sorted(context.persona.tensors().items()):
            digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
        persona = digest.hexdigest()
    return {
        "task": task.name,
        "backend": context.backend.name,
        "card": context.card.name,
        "base": fingerprint(context.generator),
        "persona": persona,
        "album": context.album.digest() if len(context.album) else None,
        "distance": distance or context.backend.distance,
        "settings": json.loads(json.dumps(dataclasses.asdict(settings), default=str)),
    }


def _settings_in(plain: Mapping[str, Any], task: Task, file: Path) -> dict[str, Any]:
    if plain.get("task", task.name) != task.name:
        raise InputError(f"{file} is of the task {str(plain['task'])[:80]!r}, not of {task.name!r}")
    settings = plain.get("settings", {}) if "task" in plain else plain
    if not isinstance(settings, Mapping):
        raise InputError(f"{file}: settings must map names to values, as in `settings: {{steps: 100}}`")
    return dict(settings)
