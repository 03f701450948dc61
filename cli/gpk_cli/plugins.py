"""`gpk plugins`: which are installed, with `--doctor` what ails them, and what their writers do with them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer

from corekit.quarantine import PluginReport
from corekit.registry import DISABLE_VARIABLE, Registry, disabled_by_environment
from gpk_cli import plugin_check
from gpk_cli.output import AsJson, show

SLOW = 0.5
"""Seconds of loading that a person feels, as every command waits for every plugin. Ours take a few milliseconds."""

_STATE = {"quarantined": "quarantined", "duplicate": "in another plugin's way"}


def add_commands(app: typer.Typer) -> None:
    """Adds the group `plugins`, which by itself lists them."""
    group = typer.Typer(name="plugins")
    group.callback(invoke_without_command=True)(plugins)
    plugin_check.add_commands(group)
    app.add_typer(group)


def plugins(
    ctx: typer.Context,
    doctor: Annotated[bool, typer.Option("--doctor", help="Say what is wrong, with tracebacks; exit 1 if so.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the installed plugins, and say what is wrong with them."""
    if ctx.invoked_subcommand is not None:
        return
    registry: Registry = ctx.obj
    reports = registry.plugins()
    complaints = list(_complaints(reports)) if doctor else []
    if as_json or not doctor:
        columns = ("name", "distribution", "version", "status", "offers")
        show([_row(report, as_json=as_json) for report in reports], columns, as_json=as_json)
    else:
        print("\n\n".join(complaints) or f"All {len(reports)} plugins are well.")
    if complaints:
        raise typer.Exit(1)


def _row(report: PluginReport, *, as_json: bool) -> dict[str, object]:
    row: dict[str, object] = asdict(report)
    return row if as_json else row | {"offers": [name for names in report.offers.values() for name in names]}


def _complaints(reports: list[PluginReport]) -> Iterator[str]:
    for report in reports:
        if report.status in _STATE:
            parts = [f"{report} is {_STATE[report.status]}: {report.error}", report.traceback or ""]
            yield "\n".join(filter(None, map(str.rstrip, parts)))
        if report.seconds > SLOW:
            yield (
                f"{report} is slow: it takes {report.seconds:.1f} s to load, and every command waits for it; "
                "import torch and the like inside functions, not at the top"
            )
    known = {name for report in reports for name in (report.name, report.key)}
    for name in sorted(disabled_by_environment() - known):
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        yield f"{DISABLE_VARIABLE} names {name!r}, and no installed plugin is called that{hint}"
