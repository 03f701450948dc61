"""`gpk persona import`: personas that other programs trained."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpk_cli.context import find_card
from gpk_cli.options import LabelsAs
from gpk_cli.output import say
from gpk_cli.personas import refuse_to_replace
from gpk_cli.subject import SUFFIX

if TYPE_CHECKING:
    from torch import Tensor

    from gpk.generator import Generator
    from gpk.plugin import Backend


def gpk_commands(app: typer.Typer) -> None:
    """Adds this module's commands."""
    group = typer.Typer(name="persona", help="Personas that other programs trained.")
    group.callback()(lambda: None)  # or the only command would be the group itself
    group.command("import")(import_file)
    app.add_typer(group)


def import_file(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A snapshot of My3DGen's training; FILE::KEY where it holds several.")
    ],
    backend: Annotated[str, typer.Option(help="Family of the generator that it was tuned from: see `gpk backends`.")],
    card: Annotated[str | None, typer.Option(help="Checkpoint of it; the backend's first by default.")] = None,
    weights: Annotated[Path | None, typer.Option(help="The base's weights, where they were not imported.")] = None,
    album: Annotated[
        Path | None, typer.Option(help="Folder with the photos' codes, NAME_latent.npy, and dataset.json.")
    ] = None,
    labels_as: LabelsAs = None,
    alpha: Annotated[
        float | None, typer.Option(help="Factors are scaled by alpha / rank; by default what FILE states.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help=f"File to write; by default FILE's name and {SUFFIX}, here.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file where it exists.")] = False,
) -> None:
    """Make a persona of what My3DGen trained: its factors, what it trained besides, and its album's codes as anchors.

    FILE is read as data: nothing in it is run. Without --album the only anchor is the mean of W.
    """
    from gpk.generator import fingerprint
    from gpk.persona import Origin, Persona
    from gpk_checkpoints.foreign import apart
    from gpk_checkpoints.my3dgen import learned_by, read_snapshot
    from gpk_checkpoints.personas import save_persona
    from gpk_checkpoints.weights import load_generator

    source = apart(file)[0]
    path = out or Path(f"{source.stem}{SUFFIX}")
    refuse_to_replace(path, force=force, sources=(source, weights))
    family = ctx.obj.backend(backend, asked=True)
    snapshot = read_snapshot(file)
    chosen = find_card(family, card, weights)
    base = load_generator(family, chosen, weights)
    learned = learned_by(snapshot, family, base, alpha=alpha)
    anchors, cameras, told = _anchors(album, family, base, labels_as)
    origin = Origin(
        family.name,
        chosen.name,
        fingerprint(base),
        chosen.licence,
        album_size=len(anchors) if album is not None else 0,
        versions={"my3dgen": "unknown", "gpk": version("gpk")},
    )
    persona = Persona(learned.changes, learned.recipe, origin, anchors, cameras)
    save_persona(path, persona)
    for note in (*learned.notes, told):
        say(f"{source.name}: {note}.")
    recipe = learned.recipe
    say(
        f"Wrote {path} ({path.stat().st_size / 1000:,.0f} kB): rank {recipe.rank} in the layout {recipe.layout}, alpha "
        f"{recipe.alpha:g}; {persona.numbers:,} numbers at {len(persona.changes)} sites"
    )


def _anchors(
    album: Path | None, backend: Backend, base: Generator, labels_as: str | None
) -> tuple[Tensor, Tensor, str]:
    """Anchors and the labels of their cameras, and what to say of them."""
    from gpk.latents import latent_statistics
    from gpk_tasks.personalize.album_anchors import album_anchors

    if album is None:
        mean, front = latent_statistics(base).mean[None], base.frontal()
        labels = mean.new_zeros(1, 0) if front is None else front.label().to(mean)
        return mean, labels, (
            "without --album the persona's only anchor is the mean of W, the face of nobody: it can be looked at, and "
            "has no hull"
        )  # fmt: skip
    found = album_anchors(backend, base, album, labels_as)
    count, space = len(found.codes), "W" if found.codes.ndim == 2 else "W+"
    told = f"{count} anchor{'s' if count > 1 else ''} in {space}"
    if found.cameras.shape[1]:
        front = count - found.labelled
        told += f", {front} of them without a label and taken as seen from the front" if front else ", all with cameras"
    return found.codes, found.cameras, told
