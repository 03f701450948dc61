"""`gpk plugins check`: every rule of the contract, held over what plugins offer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from gpk.registry import Registry
from gpk_cli.output import AsJson, printable, say, show

if TYPE_CHECKING:
    from gpk.testing import Trial, Verdict

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME", help="Plugins, or backends, judges, tasks; everything installed by default."),
]


def add_commands(group: typer.Typer) -> None:
    """Adds this module's command to the group `plugins`."""
    group.command()(check)


def check(ctx: typer.Context, names: Names = None, as_json: AsJson = False) -> None:
    """Hold what plugins offer to the contract.

    Each rule is tried on backends at a small size, on judges and tasks. Exit 1 if one is broken; docs/contract.md has
    the rules and their reasons.
    """
    from gpk.testing import trials

    registry: Registry = ctx.obj
    found = list(_tried(trials(registry, names or ())))
    rows = [asdict(verdict) for verdict in found]
    if as_json:
        show(rows, (), as_json=True)
    else:
        show([_row(verdict) for verdict in found], ("rule", "subject", "verdict"), as_json=False)
        for verdict in found:
            if verdict.verdict == "broken":
                print(printable(f"\n{verdict.rule}: {verdict.subject}\n  {verdict.told}"))
    for sentence in registry.absent():
        say(sentence)
    broken = sum(verdict.verdict == "broken" for verdict in found)
    kept = sum(verdict.verdict == "ok" for verdict in found)
    say(f"{kept} ok, {broken} broken, {len(found) - kept - broken} skipped.")
    if broken:
        raise typer.Exit(1)


def _tried(found: Sequence[Trial]) -> Iterator[Verdict]:
    for index, trial in enumerate(found, 1):
        say(f"{index}/{len(found)} {trial.subject}")
        yield from trial.verdicts()


def _row(verdict: Verdict) -> dict[str, object]:
    told = f"{verdict.verdict}: {verdict.told}" if verdict.verdict == "skipped" else verdict.verdict
    return {"rule": verdict.rule, "subject": verdict.subject, "verdict": printable(told)}
