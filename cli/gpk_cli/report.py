"""`gpk report`: a personalization as one page for a browser."""

from __future__ import annotations

import dataclasses
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from gpk_cli.output import AsJson, say
from gpk_cli.stdout import print_json


def gpk_commands(app: typer.Typer) -> None:
    """Adds this module's command."""
    app.command()(report)


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run of `gpk personalize`.")],
    out: Annotated[Path | None, typer.Option(help="The page's file [default: report.html in RUN].")] = None,
    open_it: Annotated[bool, typer.Option("--open/--no-open", help="Show it in the browser.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a run as one HTML page: pictures to compare, curves, figures, provenance.

    It needs neither the generator nor the photos, and works for a run that is not finished too.
    """
    from gpk_runs.humanize import size
    from gpk_tasks.report.page import write_report

    written = write_report(run, out)
    for sentence in written.missing:
        say(sentence)
    if not written.finished:
        say(f"{run} is not finished: the page shows what is there so far.")
    if as_json:
        print_json(dataclasses.asdict(written) | {"file": str(written.file)})
    else:
        print(f"Report    {written.file} ({size(written.bytes)}, {written.pictures} pictures)")
    if open_it and not webbrowser.open(written.file.resolve().as_uri()):
        say(f"No browser could be opened here: open {written.file} in one.")
