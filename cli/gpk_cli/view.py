"""`gpk view`: the subject in a browser, live."""

from __future__ import annotations

import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from gpk.errors import InputError
from gpk_cli.context import make_context
from gpk_cli.output import say
from gpk_cli.subject import BACKEND, find_subject, persona_file


def gpk_commands(app: typer.Typer) -> None:
    """Adds this module's command."""
    app.command()(view)


def view(
    ctx: typer.Context,
    subjects: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[SUBJECT]...", help="*.persona.safetensors files, or the runs that made them."),
    ] = None,
    backend: Annotated[str | None, typer.Option(help=BACKEND)] = None,
    card: Annotated[str | None, typer.Option(help="Checkpoint of the backend.")] = None,
    weights: Annotated[Path | None, typer.Option(help="The generator's weights, if not those of gpk's cache.")] = None,
    direction: Annotated[
        list[Path] | None, typer.Option(help="An edit's file, .npy, .npz, .pt or .safetensors; may be given again.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the pictures that are saved.")] = Path("pictures"),
    host: Annotated[str, typer.Option(help="Address to serve at; any but this machine's own is open to others.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="Port to serve at.")] = 8080,
    origin: Annotated[
        list[str] | None,
        typer.Option(help="Another address by which browsers reach it, such as a proxy's; may be given again."),
    ] = None,
    show: Annotated[bool, typer.Option("--open/--no-open", help="Open the browser.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
) -> None:
    """Look at a subject live in the browser: turn it, mix its photos, edit it, compare it with who it was before.

    The viewer is on this machine alone, until Ctrl-C.
    """
    from gpk.logger import NullLogger
    from gpk_checkpoints.directions import read_direction
    from gpk_checkpoints.personas import load_persona
    from gpk_view.app import LOCAL, check_place, serving
    from gpk_view.scene import Stage, check_one_base

    registry, files = ctx.obj, named(subjects or [])
    first = next(iter(files.values()), None)
    family, checkpoint, _ = find_subject(registry, first, backend=backend, card=card, weights=weights)
    personas = {name: load_persona(file) for name, file in files.items()}
    check_one_base(personas)
    directions = [read_direction(file) for file in direction or ()]
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file, and pictures need a folder: give another --out")
    check_place(host, port)  # and that viser is there, which the door needs
    from gpk_view.door import checked_origin

    origins = [checked_origin(one) for one in origin or ()]
    context = make_context(
        registry, family, checkpoint, None, weights=weights, device=device, logger=NullLogger(), compares=False
    )
    stage = Stage(context, personas)
    for one in directions:
        stage.add_direction(one)
    with serving(stage, host=host, port=port, folder=out, tell=say, origins=origins) as (url, render_thread):
        if host not in LOCAL:
            say(f"Warning: whoever reaches port {port} of this machine sees and steers the viewer; nothing asks who.")
        say(f"{', '.join(personas) or family.name}: {url} (Ctrl-C ends)")
        if show:
            webbrowser.open(url)
        render_thread.wait()


def named(subjects: Sequence[Path]) -> dict[str, Path]:
    """The personas' files by name: that of the run or of the file, with its folder's where two are called the same.

    Raises PersonaError where one is not there, InputError where one is given twice.
    """
    files = [persona_file(subject) for subject in subjects]
    if len({file.resolve() for file in files}) < len(files):
        raise InputError("a subject is given twice: name each once")
    names = [subject.resolve().name.partition(".")[0] for subject in subjects]
    longer = [f"{subject.resolve().parent.name}/{name}" for subject, name in zip(subjects, names, strict=True)]
    chosen = [long if names.count(name) > 1 else name for name, long in zip(names, longer, strict=True)]
    if len(set(chosen)) < len(chosen):
        chosen = [str(subject) for subject in subjects]
    return dict(zip(chosen, files, strict=True))
