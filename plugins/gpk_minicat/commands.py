"""`gpk minicat album`: photographs of a cat that nobody ever saw. `gpk minicat train`: the recipe of the embedded
networks.

Options are read from the functions' signatures, so that no plugin needs the command line's libraries.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def add_commands(app: Any) -> None:  # noqa: ANN401 - Typer is the command line's business
    """Adds the group `minicat` to a Typer application."""
    group = type(app)(name="minicat", help="Procedural cats: albums of them, and the networks trained on them.")
    group.command()(album)
    group.command()(train)
    app.add_typer(group)


def album(
    directory: Path, seed: int = 0, photos: int = 12, held_out: int = 6, traits: str = "all", size: int = 64
) -> None:
    """Write photos of one cat into DIRECTORY/train and DIRECTORY/held-out, each with EG3D's dataset.json.

    TRAITS lie outside what the prior knows: eye-patch, odd-eyes, torn-ear, separated by commas; all, or none.
    """
    from typing import cast

    from gpk_minicat.album import write_album
    from gpk_minicat.traits import ALL_TRAITS, Trait

    chosen = {"all": ALL_TRAITS, "none": ()}.get(traits, tuple(name.strip() for name in traits.split(",")))
    print(
        write_album(
            directory, seed, photos=photos, held_out=held_out, traits=cast("tuple[Trait, ...]", chosen), size=size
        )
    )


def train(work: Path, what: str = "prior", minutes: float = 80.0, seed: int = 0, out: str = "") -> None:
    """Train the embedded prior, distance or identity in the folder WORK, or go on there; then write its weights file.

    WHAT is prior, distance or identity. OUT is the weights file to write; empty leaves it in WORK.
    """
    raise NotImplementedError
