"""What looks at raw photos, from names on a command line: what finds faces, who tells strangers, and the generator."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gpk.errors import ExtraError, GpkError, InputError, WeightsError
from gpk.plugin import Backend, Card, DetectorCard
from gpk.registry import Registry
from gpk_cli.context import make_context
from gpk_cli.output import say

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gpk.context import Context
    from gpk_photos.reading import Find


def find_bench(
    registry: Registry, backend: Backend, card: Card, weights: Path | None, device: str
) -> tuple[Context | None, GpkError | None]:
    """The generator and its distance, or what is missing of them. A file of `weights` that was named must be good: what
    is wrong with it is raised.
    """
    from gpk.logger import NullLogger

    try:
        return make_context(registry, backend, card, None, weights=weights, device=device, logger=NullLogger()), None
    except (WeightsError, ExtraError) as error:
        if weights is not None:
            raise
        return None, error


def find_judge(registry: Registry, backend: Backend, named: str | None) -> tuple[nn.Module | None, str | None]:
    """The judge of identity and its name; where it is not here, a sentence says so, and strangers stay.

    `named` is NAME or NAME=FILE; raises InputError for one that was named and judges nobody's identity, or is not here.
    """
    name, _, file = (named or backend.judge or "").partition("=")
    if not name:
        say(f"Strangers are not looked for: {backend.name} names no judge of identity. Give one with --judge.")
        return None, None
    offer = registry.judge(name, backend.framing)
    if offer.kind != "judge":
        raise InputError(f"{name!r} is no judge of identity: see `gpk judges`")
    try:
        return offer.load(Path(file) if file else None), name
    except (ExtraError, WeightsError) as error:
        if named is not None:
            raise
        say(f"Strangers are not looked for: {error}")
        return None, None


def find_finder(
    registry: Registry, backend: Backend, folder: Path, crop: str | None, detector: str | None, known: dict[str, Tensor]
) -> tuple[Find, str, str | None]:
    """Where crops come from, that in a word for the settings, and the detector's name.

    `known` are the cameras [25] that the user gave, by photo. Raises InputError for a `crop` or a `detector` that is
    none, or not here.
    """
    from gpk.framing import Framing
    from gpk_checkpoints.download import file_sha256
    from gpk_checkpoints.sniffed import what_is
    from gpk_photos.album import photo_names
    from gpk_photos.finding import as_it_is, by_boxes, by_detector, in_the_middle, labelled
    from gpk_prepare import settings

    how = crop or (settings.DETECT if detector or backend.detector else "centre")
    if detector is not None and how != settings.DETECT:
        raise InputError(f"--detector is of no use to --crop {how}: leave one of them out")
    match how:
        case settings.DETECT:
            if not (detector or backend.detector):
                raise InputError(f"{backend.name} names no detector: give --detector NAME, or --crop centre")
            card, model = find_detector(registry, backend.detectors, detector)
            find, named = by_detector(lambda: card.load(model), backend.framing or Framing()), card.name
        case "centre" | "center":
            how, find, named = "centre", in_the_middle, None
        case "none":
            find, named = as_it_is, None
        case _:
            path = Path(how)
            if path.suffix.lower() != ".csv":
                what = f", which is {what_is(path)}" if path.is_file() else ""
                raise InputError(f"--crop is detect, centre, none, or a CSV file of boxes, not {how!r}{what}")
            find, named = by_boxes(path, photo_names(folder)), None
            how = f"boxes {file_sha256(path)[:16]}"
    return labelled(find, known), how, named


def find_detector(registry: Registry, best: Sequence[str], asked: str | None) -> tuple[DetectorCard, Path | None]:
    """The detector that was asked for as NAME or NAME=FILE, and its file; else the first of the `best` that is here; it
    is said where that is not the best. What is missing is so told before the work begins: raises ExtraError.
    """
    if asked is not None:
        name, _, file = asked.partition("=")
        card, model = registry.detector(name), Path(file) if file else None
        card.load(model)
        return card, model
    missing: list[ExtraError] = []
    for card in map(registry.detector, best):
        try:
            card.load(None)
        except ExtraError as error:
            missing.append(error)
            continue
        if missing:
            say(f"{card.name} looks for them, which misses more: {missing[0]}")
        return card, None
    raise missing[-1]


def digest_of(labels: dict[str, Tensor]) -> str | None:
    """What tells these labels from others; None where there are none."""
    if not labels:
        return None
    digest = hashlib.sha256()
    for name, label in sorted(labels.items()):
        digest.update(f"{name} {label.tolist()}".encode())
    return digest.hexdigest()
