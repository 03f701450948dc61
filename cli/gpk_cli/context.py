"""From names on a command line to the context that a task is handed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gpk.errors import AlbumError, InputError, PluginError, UnknownNameError
from gpk.plugin import OWN, Backend, Card
from gpk.registry import Registry
from gpk_cli.output import say

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from gpk.album import Album
    from gpk.context import Context
    from gpk.generator import Generator
    from gpk.logger import Logger
    from gpk.persona import Persona

Precision = Literal["auto", "float32", "bfloat16"]
"""Of a generator's parts that may be reduced. float16 is left out: its range loses gradients, and where it serves, to
make pictures on CUDA, "auto" takes it.
"""


def find_card(backend: Backend, name: str | None, weights: Path | None = None) -> Card:
    """The card of that name: one of the backend's, or one under whose name weights were imported.

    Without a name it is the default, or where the file `weights` does not agree with that, a card of its own. Raises
    InputError for a family that has no cards itself, and for a name that is no card's.
    """
    from gpk_checkpoints.inventory import imported_card

    if not backend.cards:
        raise InputError(f"the backend {backend.name!r} alone names no generator: {backend.summary}")
    cards = {card.name: card for card in backend.cards}
    if name is None:
        return backend.card if weights is None else _card_of(backend, weights)
    if name in cards:
        return cards[name]
    if (imported := imported_card(backend, name)) is not None:
        return imported
    if name != OWN:
        raise UnknownNameError(f"card of {backend.name}", name, cards)
    return backend.own_card()


def _card_of(backend: Backend, weights: Path) -> Card:
    from gpk_checkpoints.weights import card_of

    card = card_of(backend, weights, tell=say)
    if card not in backend.cards:
        say(f"{weights} is none of {backend.name}'s cards: it is taken as a card of its own, with what it states.")
    return card


def introduce(backend: Backend, card: Card) -> None:
    """Says how a generator that came without a description was taken, so that a wrong guess does not stay unseen."""
    if card.ready and card.notes:
        say(f"{backend.name}: {card.notes}")


def find_device(name: str) -> torch.device:
    """The device of that name; "auto" is the best one here. Raises InputError where it cannot be used."""
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # a device may be there and not compute
    except (RuntimeError, AssertionError) as error:
        first = str(error).splitlines()[0].partition(". ")[0].rstrip(".")  # some of torch's answers fill a screen
        raise InputError(f"device {name!r} cannot be used: {first}. Use cpu, or auto") from error
    return device


def open_album(
    registry: Registry,
    path: Path,
    backend: Backend,
    *,
    side: int,
    least: int = 1,
    generator: Generator | None = None,
    labels_as: str | None = None,
) -> Album:
    """The album at `path` as `backend` needs it, with cameras for a 3D one; AlbumError below `least` usable photos.

    Its labels are turned as `labels_as` says, and compared with the cameras of the `generator`: raises LabelError for
    what is certainly wrong, says what may be.
    """
    from gpk_checkpoints.sniffed import what_is
    from gpk_photos.contents import is_album

    try:
        opened = registry.open_album(path, side, backend.cameras)
    except AlbumError as error:
        if path.is_file() and not is_album(path):
            raise AlbumError(f"{error}. It is {what_is(path)}") from error
        raise
    album = _checked(opened, path, generator, labels_as)
    if len(album) < least:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in album.left_out)
        told = f". Left out: {reasons}" if reasons else ""
        raise AlbumError(f"{path} has {len(album)} usable photo, and {least} are needed: add more{told}")
    return album


def _checked(album: Album, path: Path, generator: Generator | None, labels_as: str | None) -> Album:
    import torch

    from gpk.camera import Camera
    from gpk_photos.plausible import checked, own_sight

    if album.cameras is None or not len(album):
        return album
    labels = dict(zip(album.names, album.cameras.label(), strict=True))
    sight = None if generator is None else own_sight(generator)
    labels, warning = checked(labels, str(path), sight=sight, labels_as=labels_as)
    if warning is not None:
        say(warning)
    if labels_as is None:
        return album
    return dataclasses.replace(album, cameras=Camera.from_label(torch.stack(list(labels.values()))))


def _no_distance(a: Tensor, b: Tensor) -> Tensor:
    """The distance of a task that wants no photos, for which none is loaded: it may be a download."""
    raise PluginError("this task says that it wants no photos, and asks for a distance all the same: see Task.photos")


def make_context(
    registry: Registry,
    backend: Backend,
    card: Card,
    album_path: Path | None,
    *,
    weights: Path | None,
    device: str,
    logger: Logger,
    distance: str | None = None,
    judge: str | None = None,
    precision: Precision = "auto",
    lpips_weights: Path | None = None,
    persona: Persona | None = None,
    side: Callable[[int], int] | None = None,
    least: int = 2,
    compares: bool = True,
    labels_as: str | None = None,
) -> Context:
    """The context: generator with its weights, album, distance and, where the backend names them, judge, reporting
    distance and attributes, all on `device`.

    Without `album_path` the album is empty; its photos come at the generator's own side, or at `side` of that one.
    Where nothing `compares` pictures, no distance is loaded; `lpips_weights` are of the network that an LPIPS looks
    with. A `distance` and a `judge` of identity, NAME or NAME=FILE, stand in for the backend's.

    Raises InputError where something does not fit, AlbumError for an album below `least` usable photos, PluginError for
    a judge of attributes that names none.
    """
    import torch

    from gpk.album import Album
    from gpk.attach import check_fit
    from gpk.context import Context
    from gpk.judges import Attributes
    from gpk.precision import allow_tf32, flush_denormals
    from gpk_checkpoints.weights import load_generator
    from gpk_runs.allocator import keep_heap

    flush_denormals()
    keep_heap()
    where = find_device(device)
    allow_tf32(where)
    offer = registry.judge(distance or backend.distance)
    if offer.kind != "distance":
        known = ", ".join(name for name, other in registry.judges().items() if other.value.kind == "distance")
        raise InputError(f"{offer.name!r} is a judge of single images, not a distance between two: give one of {known}")
    who, _, file = (judge or backend.judge or "").partition("=")
    identity = registry.judge(who, backend.framing) if who else None
    if identity is not None and identity.kind != "judge":
        raise InputError(f"{who!r} is no judge of identity: see `gpk judges`")
    if lpips_weights is not None and not offer.name.startswith("lpips"):
        raise InputError(f"--lpips-weights is of no use to the distance {offer.name!r}: leave it out")
    # The cheap checks come before the loading of large files.
    generator = load_generator(backend, card, weights, device=where, tell=say)
    generator.half_dtype = None if precision == "auto" else getattr(torch, precision)
    if persona is not None:
        check_fit(generator, persona.to(where))
    album = Album(torch.empty(0, 3, generator.resolution, generator.resolution), ())
    if album_path is not None:
        wanted = generator.resolution if side is None else side(generator.resolution)
        album = open_album(
            registry, album_path, backend, side=wanted, least=least, generator=generator, labels_as=labels_as
        )
    introduce(backend, card)
    network = offer.load(lpips_weights).to(where) if compares else _no_distance
    seeing = None if identity is None else identity.load(Path(file) if file else None).to(where)
    reporting, attributes = (
        None if name is None else registry.judge(name).load(None).to(where)
        for name in (backend.reporting, backend.attributes)
    )
    if attributes is not None and not isinstance(attributes, Attributes):
        raise PluginError(f"{backend.attributes!r} names no numbers that it reads: its module needs `names`")
    backend = dataclasses.replace(backend, distance=offer.name, judge=who or None)  # those that are at work
    return Context(backend, card, generator, network, album.to(where), logger, seeing, reporting, persona, attributes)
