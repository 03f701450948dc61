"""`gpk weights explain`: what a file of weights is, and what would be taken of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from gpk_cli.output import AsJson, printable

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
    told = explain(file, backends)
    print(json.dumps(told, indent=2, ensure_ascii=False) if as_json else printable("\n".join(_lines(told))))


def _lines(told: dict[str, Any]) -> Iterator[str]:
    yield f"{told['file']}: {told['what']}, {told['bytes'] / 1e6:,.1f} MB"
    if told["refused"]:
        yield f"  refused: {told['refused']}"
    for network in told["networks"][:MOST]:
        key, kind = network["key"] or "the whole file", f", class {network['class']}" if network["class"] else ""
        yield f"{key}: {network['tensors']:,} tensors{kind}"
        yield f"  {network['what']}"
        for said in network["backends"]:
            yield from (f"  {line}" for line in _backend(said))
    if len(told["networks"]) > MOST:
        yield f"and {len(told['networks']) - MOST} more"


def _backend(said: dict[str, Any]) -> Iterator[str]:
    if said["refused"]:
        yield f"{said['backend']}: refused: {said['refused']}"
        return
    card = ", ".join(said["cards"]) or f"no card of it ({said['no_card']})"
    yield f"{said['backend']}: {said['side']} x {said['side']} pixels; agrees with {card}"
    if said["states"]:
        yield "  states " + ", ".join(f"{name} {value}" for name, value in said["states"].items())
    for name, reason in list(said["ignored"].items())[:MOST]:
        yield f"  leaves {name}: {reason}"
    for note in said["notes"]:
        yield f"  {note}"
    yield f"  {said['command']}"
