"""`gpk minicat album`: photographs of a cat that nobody ever saw.

Options are read from the functions' signatures, so that no plugin needs the command line's libraries.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def add_commands(app: Any) -> None:  # noqa: ANN401 - Typer is the command line's business
    """Adds the group `minicat` to a Typer application."""
    group = type(app)(name="minicat", help="Procedural cats: albums of them.")
    group.command()(album)
    app.add_typer(group)


def album(
    directory: Path,
    seed: int = 0,
    photos: int = 12,
    held_out: int = 6,
    traits: str = "all",
    size: int = 64,
    phone: bool = False,
) -> None:
    """Write photos of one cat into DIRECTORY/train and DIRECTORY/held-out, each with EG3D's dataset.json.

    TRAITS lie outside what the prior knows: eye-patch, odd-eyes, torn-ear, separated by commas; all, or none. PHONE
    writes DIRECTORY/raw instead of train: large photos as a phone takes them, strangers, bursts and failures among
    them, for `gpk prepare`.
    """
    from typing import cast

    from gpk_minicat.album import write_album
    from gpk_minicat.phone import write_phone_folder
    from gpk_minicat.traits import ALL_TRAITS, Trait

    chosen = {"all": ALL_TRAITS, "none": ()}.get(traits, tuple(name.strip() for name in traits.split(",")))
    named = cast("tuple[Trait, ...]", chosen)
    if phone:
        print(write_phone_folder(directory, seed, photos=photos, held_out=held_out, traits=named))
    else:
        print(write_album(directory, seed, photos=photos, held_out=held_out, traits=named, size=size))
