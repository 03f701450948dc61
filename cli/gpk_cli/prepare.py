"""`gpk prepare`: a folder of raw photos into an album."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpk.registry import Registry
from gpk_cli.context import find_card
from gpk_cli.options import LabelsAs
from gpk_cli.output import AsJson, printable, say, show
from gpk_cli.places import default_out
from gpk_cli.preparing import prepare_album

if TYPE_CHECKING:
    from gpk_prepare.prepare import Prepared


def gpk_commands(app: typer.Typer) -> None:
    """Adds this module's command."""
    app.command()(prepare)


def prepare(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder or zip of photos, as a phone or a camera left them.")],
    backend: Annotated[str, typer.Option(help="Family of generators: see `gpk backends`.")],
    out: Annotated[
        Path | None, typer.Option(help="The album [default: albums/FOLDER-BACKEND, never inside FOLDER].")
    ] = None,
    card: Annotated[str | None, typer.Option(help="Checkpoint of the backend; its first by default.")] = None,
    weights: Annotated[Path | None, typer.Option(help="The generator's weights, if not those of gpk's cache.")] = None,
    crop: Annotated[
        str | None,
        typer.Option(
            help="detect, centre, none (photos are crops already), or a CSV file of file,left,top,right,bottom,roll."
        ),
    ] = None,
    detector: Annotated[str | None, typer.Option(help="What finds faces, as NAME or NAME=FILE.")] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Cameras that are known: a dataset.json, of photos that are crops already.")
    ] = None,
    labels_as: LabelsAs = None,
    pick: Annotated[
        str, typer.Option(help="Of several faces: main (whom most photos show), largest, or N from the left.")
    ] = "main",
    judge: Annotated[
        str | None, typer.Option(help="Who tells strangers, as NAME or NAME=FILE [default: the backend's own].")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Make an album of raw photos: crops, cameras, and a selection that you can edit. Nothing is deleted.

    OUT/selection.csv tells which photos are used and why not the others; contact-sheet.png shows it. Write yes or no
    under `use` and run the same command again: your decisions win. The same command goes on where it was stopped.
    """
    registry: Registry = ctx.obj
    family = registry.backend(backend, asked=True)
    prepared = prepare_album(
        registry,
        family,
        find_card(family, card, weights),
        folder,
        out or default_out("albums", folder, backend),
        weights=weights,
        crop=crop,
        detector=detector,
        labels=labels,
        labels_as=labels_as,
        pick=pick,
        judge=judge,
        device=device,
    )
    _show(prepared, as_json=as_json)


def _show(prepared: Prepared, *, as_json: bool) -> None:
    """What became of the photos, on stdout; where to look, on stderr."""
    rows = [
        {
            "photo": each.file if as_json else printable(each.file),
            "use": each.use,
            "decided by": each.decided_by,
            "why": "; ".join(each.reasons) if as_json else printable("; ".join(each.reasons)),
            "crop": each.crop,
            "measured": dict(each.measured),
        }
        for each in prepared.choices
    ]
    if as_json:
        show(rows, (), as_json=True)
    else:
        told = [row for row in rows if not row["use"] or row["why"]]
        show(told, ("photo", "use", "decided by", "why"), as_json=False)
    say(sentence(prepared))


def sentence(prepared: Prepared) -> str:
    """How many photos are used, why the others are not, and what to do about it."""
    reasons = Counter(each.word for each in prepared.choices if not each.use)
    told = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    return (
        f"{len(prepared.used)} of {len(prepared.choices)} photos are used{f'; left out: {told}' if told else ''}. "
        f"See {prepared.directory / 'contact-sheet.png'}; to decide otherwise, write yes or no under `use` in "
        f"{prepared.directory / 'selection.csv'} and run the same command again."
    )
