"""`gpk plugins`: which are installed, with `--doctor` what ails them, and what their writers do with them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from gpk.quarantine import PluginReport
from gpk.registry import Registry
from gpk_cli import plugin_check, plugin_new
from gpk_cli.output import AsJson, show


def gpk_commands(app: typer.Typer) -> None:
    """Adds the group `plugins`, which by itself lists them."""
    group = typer.Typer(name="plugins")
    group.callback(invoke_without_command=True)(plugins)
    plugin_check.add_commands(group)
    plugin_new.add_commands(group)
    app.add_typer(group)


def plugins(
    ctx: typer.Context,
    doctor: Annotated[
        bool, typer.Option("--doctor", help="Say what is wrong and what to do, with tracebacks; exit 1 if so.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the installed plugins, and say what is wrong with them."""
    if ctx.invoked_subcommand is not None:
        return
    registry: Registry = ctx.obj
    reports = registry.plugins()
    complaints: list[str] = []
    if doctor:
        from gpk_cli.doctor import examine  # here: no other command needs it, and every command imports this module

        complaints = list(examine(reports))
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
