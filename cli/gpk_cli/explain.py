"""`gpk weights explain`: what a file of weights is, and what would be taken of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from gpk_cli.output import AsJson, printable
from gpk_cli.stdout import print_json

MOST = 12
"""Networks, or lines about one, that a person is shown; --json has all."""


def explain(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Any file; FILE::KEY where it holds several networks.")],
    as_json: AsJson = False,
) -> None:
    """Tell what FILE is, what an import would take of it and as which card, what it would leave, and why.

    Nothing in FILE is run, and nothing is written.
    """
    from gpk_checkpoints.explain import explain

    backends = [offer.value for offer in ctx.obj.backends().values() if offer.value.cards]
    report = explain(file, backends)
    if as_json:
        print_json(report)
    else:
        print(printable("\n".join(_lines(report))))


def _lines(report: dict[str, Any]) -> Iterator[str]:
    size = f", {report['bytes'] / 1e6:,.1f} MB" if report["bytes"] else ""
    yield f"{report['file']}: {report['what']}{size}"
    if report["refused"]:
        yield f"  refused: {report['refused']}"
    for network in report["networks"][:MOST]:
        kind = f", class {network['class']}" if network["class"] else ""
        yield f"  {network['key'] or 'the file'}: {network['what']} ({network['tensors']:,} tensors{kind})"
    if len(report["networks"]) > MOST:
        yield f"  and {len(report['networks']) - MOST} more"
    for said in report["takes"]:
        yield from _taken(said)


def _taken(said: dict[str, Any]) -> Iterator[str]:
    if said["refused"]:
        yield f"{said['backend']} refuses it: {said['refused']}"
        return
    what = said["key"] or "it"
    card = " or ".join(said["cards"]) or f"a card of its own: its {said['differs'][0]}"
    yield f"{said['backend']} takes {what} as {card}"
    if said["states"]:
        yield "  the file states " + ", ".join(f"{name} {value}" for name, value in said["states"].items())
    for name, reason in list(said["ignored"].items())[:MOST]:
        yield f"  leaves {name}: {reason}"
    for note in said["notes"]:
        yield f"  {note}"
    yield f"  {said['command']}"
