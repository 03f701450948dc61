"""`gpk weights list|import|fetch|where`: the published weights of a backend, and where they are here."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from gpk.errors import ExtraError, InputError, UnknownNameError, WeightsError
from gpk.plugin import Backend, Card
from gpk.registry import Registry
from gpk.validation import NAME
from gpk_cli.context import find_card
from gpk_cli.explain import explain
from gpk_cli.output import AsJson, printable, say, show

if TYPE_CHECKING:
    from gpk_checkpoints.inventory import Imported

CardName = Annotated[
    str, typer.Argument(metavar="CARD", help="A card's name, or BACKEND/CARD: see `gpk weights list`.")
]
COLUMNS = ("backend", "card", "weights", "licence")
TIMEOUT = 30.0
"""Seconds of a server's silence that are borne."""


def gpk_commands(app: typer.Typer) -> None:
    """Adds this module's commands."""
    group = typer.Typer(name="weights", help="The generators' weights: import files, download them, see what is there.")
    group.command("list")(list_weights)
    group.command("import")(import_file)
    group.command()(explain)
    group.command()(fetch)
    group.command()(where)
    app.add_typer(group)


def list_weights(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the cards of every backend, and where the weights of each are."""
    from gpk_cli.stock import status, stock

    rows = list(stock(ctx.obj))
    show(rows if as_json else [row | {"weights": status(row)} for row in rows], COLUMNS, as_json=as_json)


def import_file(
    ctx: typer.Context,
    backend: Annotated[str, typer.Argument(metavar="BACKEND", help="Family of generators: see `gpk backends`.")],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Official .pkl, .pt, safetensors; FILE::KEY where it holds several.")
    ],
    card: Annotated[str | None, typer.Option(help="Checkpoint that FILE is; the backend's first by default.")] = None,
    own: Annotated[str | None, typer.Option("--as", help="Make FILE a card of its own, of this name.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what was imported from another file.")] = False,
) -> None:
    """Make FILE the weights of a card, so that no command needs --weights for it any more.

    FILE is read as data: nothing in it is run. It is converted into the cache, and not needed afterwards. What it is,
    and what would be taken of it, is told by `gpk weights explain FILE`.
    """
    from gpk_checkpoints.cache import card_file
    from gpk_checkpoints.download import file_sha256
    from gpk_checkpoints.foreign import apart

    chosen = ctx.obj.backend(backend)
    if card is not None and own is not None:
        raise InputError("FILE is a published checkpoint (--card) or a card of its own (--as): leave out one of them")
    the_card = find_card(chosen, card) if own is None else _own_card(chosen, own)
    _refuse_bundled(chosen, the_card)
    there = _imported(card_file(chosen.name, the_card.name))
    if there is not None and not force:
        if there.sha256 == file_sha256(apart(file)[0]):
            say(f"{chosen.name}/{the_card.name} is imported from this file already: {there.path}")
            return
        raise InputError(
            f"{chosen.name}/{the_card.name} is imported from another file, {there.source} "
            f"(sha256 {there.sha256[:12]}…): give --force to replace it, --card NAME for another card, or --as NAME "
            "for one of its own"
        )
    _import(chosen, the_card, file)


def fetch(
    ctx: typer.Context,
    card: CardName,
    yes: Annotated[bool, typer.Option("--yes", help="Accept the licence without being asked.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Fetch it again, and replace what is there.")] = False,
) -> None:
    """Download a card's published weights and import them; asks for the licence first.

    What was stopped goes on with the same command.
    """
    from gpk_checkpoints.cache import cache_folder, card_file

    backend, chosen = _find(ctx.obj, card)
    _refuse_bundled(backend, chosen)
    name = f"{backend.name}/{chosen.name}"
    if chosen.url is None:
        raise WeightsError(f"no address of a file is known for {name}. {_by_hand(backend, chosen)}")
    there = _imported(card_file(backend.name, chosen.name))
    if there is not None and not force:
        if not there.sha256.startswith((chosen.sha256 or "").lower()):
            raise InputError(f"{name} is imported from another file, {there.source}: give --force to replace it")
        say(f"{name} is there already, from {there.source}: {there.path} (--force fetches it again)")
        return
    if not yes and not sys.stdin.isatty():
        raise InputError(
            f"{name} has a licence to accept ({chosen.licence}): use a terminal, or --yes if you accept it"
        )
    file = cache_folder() / "downloads" / backend.name / chosen.name / _file_name(chosen.url)
    if force:
        file.unlink(missing_ok=True)
    _download(backend, chosen, chosen.url, file, yes=yes)
    try:
        _import(backend, chosen, file)
    except WeightsError as error:
        raise WeightsError(f"{error}. The download is kept; --force fetches it again") from error
    file.unlink(missing_ok=True)


def where(
    ctx: typer.Context,
    card: Annotated[str | None, typer.Argument(metavar="[CARD]", help="A card's name, or BACKEND/CARD.")] = None,
) -> None:
    """Print the cache folder, or the file with the weights of CARD."""
    from gpk_checkpoints.cache import cache_folder, card_file

    if card is None:
        print(cache_folder())
        return
    backend, chosen = _find(ctx.obj, card)
    file = chosen.weights or card_file(backend.name, chosen.name)
    if not file.is_file():
        fetched = f"`gpk weights fetch {card}`, or " if chosen.url else ""
        raise WeightsError(
            f"the weights of {backend.name}/{chosen.name} are not here: {fetched}`{_command(backend, chosen)}`"
        )
    print(file)


def _find(registry: Registry, name: str) -> tuple[Backend, Card]:
    """The card NAME or BACKEND/NAME; raises InputError where there is none, or more than one."""
    from gpk_checkpoints.inventory import imported_card

    backend_name, slash, card_name = name.rpartition("/")
    if slash:
        backend = registry.backend(backend_name, asked=True)
        return backend, find_card(backend, card_name)
    backends = [offer.value for offer in registry.backends().values() if offer.value.cards]
    pairs = [(backend, card) for backend in backends for card in backend.cards]
    found = [(backend, card) for backend, card in pairs if card.name == name]
    found = found or [(one, card) for one in backends if (card := imported_card(one, name)) is not None]
    if not found:
        raise UnknownNameError("card", name, {card.name for _, card in pairs})
    if len(found) > 1:
        full = " or ".join(f"{backend.name}/{card.name}" for backend, card in found)
        raise InputError(f"more than one backend has a card {name!r}: say {full}")
    return found[0]


def _refuse_bundled(backend: Backend, card: Card) -> None:
    if card.weights is not None:
        raise InputError(
            f"the weights of {backend.name}/{card.name} come with it: for others give --weights FILE to the commands"
        )


def _imported(file: Path) -> Imported | None:
    """What is there, None where nothing is that can be used."""
    from gpk_checkpoints.inventory import read_imported

    try:
        return read_imported(file) if file.is_file() else None
    except WeightsError as error:
        say(f"{error}. It is replaced")
        return None


def _download(backend: Backend, card: Card, url: str, file: Path, *, yes: bool) -> None:
    """Leaves the file of `url` at `file` once the licence is accepted; raises InputError where it is not."""
    from gpk_checkpoints.download import download
    from gpk_checkpoints.https import published_size
    from gpk_cli.progress import progress

    name = f"{backend.name}/{card.name}"
    try:
        size = None if file.is_file() else published_size(url, timeout=TIMEOUT)
        say(f"{card.title} ({name})")
        say(f"address  {url}" + (f"\nsize     {size / 1e6:,.1f} MB" if size else ""))
        say(f"licence  {card.licence}")
        if not yes and not _accepts():
            raise InputError(f"nothing was fetched: the licence of {name} was not accepted")
        with progress() as bars:
            shown = -1

            def move(done: int, total: int) -> None:
                nonlocal shown
                if shown != (shown := -(-done // 1_000_000)):
                    bars(f"fetching {file.name}, MB", shown, -(-total // 1_000_000), {})

            found = download(url, file, sha256=card.sha256, show=move, timeout=TIMEOUT)
    except ExtraError as error:
        raise ExtraError(f"{error}. {_by_hand(backend, card)}") from error
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt("what has come is kept, and the same command goes on") from error
    if card.sha256 is None:
        say(f"No sha256 is recorded for this file, so that it could not be checked; it has {found}")


def _accepts() -> bool:
    print("Do you accept the licence? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _own_card(backend: Backend, name: str) -> Card:
    """A card of that name for weights of one's own; raises InputError for a name that cannot be, or is taken."""
    if not NAME.fullmatch(name):
        raise InputError(f"a card cannot be called {name!r}: small letters and digits, with single . - _ between")
    if name in {card.name for card in backend.cards}:
        raise InputError(f"{backend.name} has a card {name!r}: give --card {name} if FILE is that, or another name")
    return backend.own_card(name)


def _import(backend: Backend, card: Card, file: Path) -> None:
    from gpk_checkpoints.cache import card_file
    from gpk_checkpoints.imports import convert, write_import

    began = time.monotonic()
    made, path = convert(backend, card, file), card_file(backend.name, card.name)
    write_import(path, backend, made)
    for told in made.took.notes:
        say(f"{file.name}: {told}.")
    for name, reason in made.took.ignored.items():
        say(f"{file.name}: {printable(name)} is left out: {reason}.")
    own = "" if card in backend.cards else ", a card of its own"
    say(
        f"Imported {file.name} as {backend.name}/{card.name}{own} in {time.monotonic() - began:.1f} s: "
        f"{path} ({path.stat().st_size / 1e6:,.1f} MB)\nlicence  {card.licence}"
    )


def _by_hand(backend: Backend, card: Card) -> str:
    """What to do where a file cannot be downloaded."""
    found = f" from {card.page}" if card.page else ""
    return f"Get the file{found} and run `{_command(backend, card)}`"


def _command(backend: Backend, card: Card) -> str:
    option = "" if card == backend.card else f" --card {card.name}"
    return f"gpk weights import {backend.name} FILE{option}"


def _file_name(url: str) -> str:
    """The name of the file at `url`, fit for any file system.

    >>> _file_name("https://example.org/models/cats%20512.pkl?signed=1")
    'cats_20512.pkl'
    """
    return re.sub(r"[^\w.-]", "_", PurePosixPath(urlsplit(url).path).name) or "weights"
