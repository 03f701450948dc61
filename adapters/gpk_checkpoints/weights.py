"""A generator with its weights: bundled, imported, or in whatever file the user gives."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import torch

from gpk.errors import RunError, WeightsError
from gpk.generator import Generator, fingerprint
from gpk.plugin import OWN, Backend, Card
from gpk_checkpoints.cache import card_file
from gpk_checkpoints.foreign import apart
from gpk_checkpoints.imports import Import, cached_file, convert, is_imported, write_import
from gpk_checkpoints.inventory import read_imported
from gpk_checkpoints.sniffed import container


def load_generator(
    backend: Backend,
    card: Card,
    weights: Path | str | None,
    *,
    device: torch.device | str = "cpu",
    tell: Callable[[str], None] = lambda note: None,
) -> Generator:
    """The generator of `card` with the weights in the file `weights`, frozen, in eval mode.

    `weights` None are the card's own, or those imported for it. A file of another format is converted into the cache,
    once; where the cache cannot be written, in memory. A `config` in the file's `gpk` metadata overrides the card's,
    key by key. Half-precision values become float32. Raises WeightsError where the file is missing, damaged, or not
    this generator's, and where a card that is ready is another one each time. `tell` is called with what the file
    lacked and how it was made up, when it is converted.
    """
    path = (None if weights is None else Path(weights)) or card.weights or card_file(backend.name, card.name)
    if weights is None and card.weights is None and not path.is_file():
        if card.ready:
            return _ready(backend, card).to(device)
        raise WeightsError(_nothing(backend, card))
    cached = None if container(apart(path)[0]) == "safetensors" else cached_file(backend, path)
    if cached is not None and is_imported(cached, card):
        return convert(backend, card, cached).generator.to(device)
    made = convert(backend, card, path)
    if cached is not None:
        _keep(cached, backend, made)
    _tell(made, tell)
    return made.generator.to(device)


def card_of(backend: Backend, weights: Path, *, tell: Callable[[str], None] = lambda note: None) -> Card:
    """The card that the file `weights` is of: the backend's first where it agrees with it, else one of its own.

    A file of another format is converted into the cache. Raises WeightsError as `load_generator` does.
    """
    cached = None if container(apart(weights)[0]) == "safetensors" else cached_file(backend, weights)
    if cached is not None:
        with contextlib.suppress(WeightsError):
            # One that was imported for another card, as somebody said, tells nothing of which it is.
            if (name := read_imported(cached).card) in (backend.card.name, OWN):
                return backend.card if name == backend.card.name else backend.own_card()
    made = convert(backend, None, weights)
    if cached is not None:
        _keep(cached, backend, made)
        _tell(made, tell)  # a file of another format is not converted again
    return made.card


def _ready(backend: Backend, card: Card) -> Generator:
    """The generator as `build` makes it. A persona of random weights would fit nothing ever again: so torch's random
    numbers are different ones the second time, and the weights may not be.
    """
    made: list[Generator] = []
    for seed in (1, 2):
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            made.append(backend.build(card.config))
    first, second = map(fingerprint, made)
    if first != second:
        raise WeightsError(
            f"{backend.name} has other weights each time it is made ({first[:12]}…, then {second[:12]}…): have it load "
            "its trained weights, or pass --weights FILE; to try it untrained, seed it (torch.manual_seed)"
        )
    return made[0].requires_grad_(False).eval()


def _tell(made: Import, tell: Callable[[str], None]) -> None:
    for note in made.took.notes:
        tell(f"{made.read.path.name}: {note}")


def _keep(cached: Path, backend: Backend, made: Import) -> None:
    with contextlib.suppress(RunError):  # a cache that is full or not ours to write: slower the next time, but no worse
        write_import(cached, backend, made)


def _nothing(backend: Backend, card: Card) -> str:
    """What to do where there are no weights."""
    published = card in backend.cards
    licence = f" (licence: {card.licence})" if card.licence and published else ""
    option = "" if card == backend.card else f" --{'card' if published else 'as'} {card.name}"
    fetch = f"run `gpk weights fetch {card.name}`, or " if card.url else ""
    page = f"; they are published at {card.page or card.url}" if card.page or card.url else ""
    return (
        f"the card {card.name!r} of {backend.name} has no bundled weights{licence}: {fetch}"
        f"`gpk weights import {backend.name} FILE{option}` once, or pass --weights FILE{page}"
    )
