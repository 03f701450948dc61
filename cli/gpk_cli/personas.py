"""`gpk show`, `gpk merge`, `gpk export`: what one does with a persona file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from gpk.errors import InputError
from gpk_cli.output import AsJson, printable, say
from gpk_cli.stdout import print_json
from gpk_cli.subject import ASKED, made_for, persona_file

PersonaFile = Annotated[
    Path, typer.Argument(metavar="PERSONA", help="A *.persona.safetensors file, or the run that made one.")
]
Asked = Annotated[str | None, typer.Option("--backend", help=ASKED)]
Weights = Annotated[Path | None, typer.Option(help="The generator's weights, where they do not come with gpk.")]


def gpk_commands(app: typer.Typer) -> None:
    """Adds this module's commands."""
    app.command()(show)
    app.command()(merge)
    app.command()(export)


def show(persona: PersonaFile, as_json: AsJson = False) -> None:
    """Tell what a persona is and where it came from."""
    from gpk_checkpoints.personas import load_persona, read_header

    persona = persona_file(persona)
    load_persona(persona)  # a damaged one is told now, not when it is needed
    header = read_header(persona)
    if as_json:
        print_json({**header, "bytes": persona.stat().st_size})
        return
    recipe = header["recipe"]
    parts = ", ".join(f"{part} {treatment}" for part, treatment in recipe["parts"].items())
    facts = {
        "made for": f"{header['backend']} ({header['card']}), weights {header['base'][:12]}…",
        "numbers": f"{header['numbers']:,} at {len(header['sites'])} sites",
        "recipe": f"rank {recipe['rank']}, alpha {recipe['alpha']:g}, layout {recipe['layout']}; {parts}",
        "album": f"{header['album_size']} photos, {header['images_seen']:,} looks",
        "base licence": header["licence"] or "unknown",
        "made with": ", ".join(f"{name} {number}" for name, number in header["versions"].items()),
        "file": f"{persona.stat().st_size / 1000:,.0f} kB, {header['format']}",
    }
    for name, fact in facts.items():
        print(f"{name:<13} {printable(fact)}")


def merge(
    ctx: typer.Context,
    persona: PersonaFile,
    out: Annotated[Path, typer.Argument(help="File to write: the whole generator, as safetensors.")],
    weights: Weights = None,
    backend: Asked = None,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT where it exists.")] = False,
) -> None:
    """Write the generator with the persona merged in.

    The file is as large as the generator, and usable without gpk.
    """
    from gpk.attach import attach, detach
    from gpk_checkpoints.exports import export_merged
    from gpk_checkpoints.personas import load_persona
    from gpk_checkpoints.weights import load_generator

    persona = persona_file(persona)
    refuse_to_replace(out, force=force, sources=(persona, weights))
    learned = load_persona(persona)
    generator = load_generator(*made_for(ctx.obj, learned, persona, asked=backend), weights)
    attach(generator, learned)
    detach(generator, merge=True)
    origin = learned.origin
    facts = {"backend": origin.backend, "card": origin.card, "licence": origin.licence, "base": origin.base}
    export_merged(out, generator.state_dict(), facts)
    say(f"Wrote {out} ({out.stat().st_size / 1e6:,.1f} MB)")


def export(
    ctx: typer.Context,
    persona: PersonaFile,
    out: Annotated[Path, typer.Argument(help="File (merged) or folder (peft) to write.")],
    form: Annotated[
        Literal["peft", "merged"], typer.Option("--format", help="PEFT-style A and B, or the merged generator.")
    ] = "peft",
    weights: Weights = None,
    backend: Asked = None,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT where it exists.")] = False,
) -> None:
    """Write the persona in another program's format."""
    from gpk_checkpoints.exports import export_peft
    from gpk_checkpoints.personas import load_persona

    if form == "merged":
        merge(ctx, persona, out, weights, backend, force)
        return
    persona = persona_file(persona)
    refuse_to_replace(out, force=force, sources=(persona,))
    if out.is_file():
        raise InputError(f"{out} is a file, and the peft format needs a folder: give another name")
    left_out = export_peft(out, load_persona(persona))
    say(f"Wrote {out}" + (f"; {len(left_out)} offsets have no place in this format" if left_out else ""))


def refuse_to_replace(path: Path, *, force: bool, sources: Sequence[Path | None]) -> None:
    """InputError where the command would overwrite what it reads, or, without `force`, anything."""
    if not path.exists():
        return
    for source in sources:
        if source is not None and source.exists() and path.samefile(source):
            raise InputError(f"{path} is what this command reads, and would be lost: give another name")
    if not force:
        raise InputError(f"{path} exists already: give another name, or --force to replace it")
