"""A generator with its weights: bundled, imported, or in whatever file the user gives."""

from __future__ import annotations

import contextlib
from pathlib import Path

import torch

from corekit.errors import RunError, WeightsError
from corekit.generator import Generator, fingerprint
from corekit.plugin import Backend, Card
from gpk_checkpoints.assembly import assemble
from gpk_checkpoints.cache import card_file, source_file
from gpk_checkpoints.download import file_sha256
from gpk_checkpoints.files import container, read_safetensors
from gpk_checkpoints.foreign import Checkpoint, own_facts
from gpk_checkpoints.imports import adopted, convert, is_imported, refuse_other_backend, write_import


def load_generator(
    backend: Backend, card: Card, weights: Path | None, *, device: torch.device | str = "cpu"
) -> Generator:
    """The generator of `card` with the weights in the file `weights`, frozen, in eval mode.

    `weights` None are the card's own, or those imported for it. A file of another format is converted into the cache,
    once; where the cache cannot be written, in memory. A `config` in the file's `gpk` metadata overrides the card's,
    key by key. Half-precision values become float32. Raises WeightsError where the file is missing, damaged, or not
    this generator's, and where a card that is ready is another one each time.
    """
    path = weights or card.weights or card_file(backend.name, card.name)
    if weights is None and card.weights is None and not path.is_file():
        if card.ready:
            return _ready(backend, card).to(device)
        raise WeightsError(_nothing(backend, card))
    generator = _own(path, backend, card) if container(path) == "safetensors" else None
    return (generator or _imported(path, backend, card)).to(device)


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


def _own(path: Path, backend: Backend, card: Card) -> Generator | None:
    """The generator of a safetensors file, None where its tensors have others' names."""
    tensors, metadata = read_safetensors(path)
    facts = own_facts(path, metadata)
    refuse_other_backend(path, backend, facts)
    stated, ours = adopted(path, backend, Checkpoint("safetensors", "", "", {}, tensors, "", facts))
    if ours.keys() != tensors.keys():
        return None
    return assemble(path, backend, {**card.config, **stated}, ours)[0]


def _imported(path: Path, backend: Backend, card: Card) -> Generator:
    """The generator of a file that is not ours, from the cache where it has been before."""
    cached = source_file(backend.name, file_sha256(path))
    if is_imported(cached, card) and (generator := _own(cached, backend, card)) is not None:
        return generator
    made = convert(backend, card, path)
    with contextlib.suppress(RunError):  # a cache that is full or not ours to write: slower the next time, but no worse
        write_import(cached, made)
    return made.generator


def _nothing(backend: Backend, card: Card) -> str:
    """What to do where there are no weights."""
    licence = f" (licence: {card.licence})" if card.licence else ""
    option = "" if card == backend.card else f" --card {card.name}"
    fetch = f"run `gpk weights fetch {card.name}`, or " if card.url else ""
    page = f"; they are published at {card.page or card.url}" if card.page or card.url else ""
    return (
        f"the card {card.name!r} of {backend.name} has no bundled weights{licence}: {fetch}"
        f"`gpk weights import {backend.name} FILE{option}` once, or pass --weights FILE{page}"
    )
