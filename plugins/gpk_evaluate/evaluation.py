"""The whole evaluation: every protocol for every variant of every subject, one after the other, resumable.

What is done stands in the run's log, a line for each; the same command does what is missing.

Shapes: E examples, D latent width, R image side.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gpk.attach import attached
from gpk.errors import InputError, RecipeError, RunError, UnknownNameError, WeightsError
from gpk.typed import to_dataclass
from gpk_checkpoints.files import read_safetensors, write_safetensors
from gpk_evaluate.instruments import Instruments
from gpk_evaluate.protocols import FOLLOW, Found, Scene
from gpk_evaluate.settings import Evaluation, Protocol
from gpk_evaluate.variants import Subject, Variant, anchors_of, persona_of, variants
from gpk_runs.log import Event
from gpk_runs.run import Run
from gpk_tasks.edit.attributes import DirectionFit, labelled, learned

STUDIED: tuple[Protocol, ...] = ("inversion", "synthesis")
"""What the ways of a study go through."""


FILED = {"subject": "sitter", "variant": "way"}
"""Fields of `Measured` by another name in logs and in JSON."""


@dataclass(frozen=True)
class Measured:
    """What one protocol gave for one variant of one subject: `figures` by what was looked at; `study` where the variant
    belongs to one; `curve` is ID_sim by weight, of paths alone; `numbers` that were tuned, by `images_seen` pictures.
    None is what was no finite number.
    """

    subject: str
    variant: str
    study: str | None
    protocol: str
    figures: Mapping[str, Mapping[str, float | None]]
    curve: Mapping[str, float | None] | None
    numbers: int
    images_seen: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types; in files the subject is the sitter, and the variant the way."""
        return {FILED.get(key, key): value for key, value in asdict(self).items()}

    @staticmethod
    def from_json(plain: Mapping[str, Any], *, source: str) -> Measured:
        """What `to_json` gave; raises InputError, which names the `source`, for anything else."""
        names = {filed: name for name, filed in FILED.items()}
        told = {names.get(key, key): value for key, value in plain.items()}
        return to_dataclass(Measured, told, source=source, others=True)


def evaluate(
    subjects: Iterable[tuple[str, Callable[[], Subject]]], settings: Evaluation, instruments: Instruments, run: Run
) -> list[Measured]:
    """All that was measured, what an earlier process did included. A subject is made when it is its turn.

    Pictures of each protocol stay in the folder `examples` (see `examples_of`). Raises InputError where a protocol
    cannot be followed.
    """
    there = _Measured(run)
    for name, make in subjects:
        _Subject(name, make, settings, instruments, run, there).hold()
    return there.all


class _Measured:
    """What the run's log says is done."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.all = [_measured(event) for event in run.read_log() if event["event"] == "measured"]

    def __contains__(self, key: tuple[str, str, str]) -> bool:
        return any((m.subject, m.variant, m.protocol) == key for m in self.all)

    def add(self, measured: Measured) -> None:
        self.all.append(measured)
        self.run.record("measured", {"measured": measured.to_json()})
        self.run.save_state({"done": torch.tensor(len(self.all))}, {})  # a log is kept as far as a state knows it


@dataclass(frozen=True)
class _Logged:
    """What an event `measured` holds."""

    measured: Mapping[str, Any]


def _measured(event: Event) -> Measured:
    try:
        return Measured.from_json(event.read(_Logged).measured, source=event.place)
    except RecipeError as error:
        raise event.wrong(error) from error


@dataclass
class _Subject:
    """One subject's turn."""

    name: str
    make: Callable[[], Subject]
    settings: Evaluation
    instruments: Instruments
    run: Run
    there: _Measured

    def hold(self) -> None:
        subject = replace(self.make(), name=self.name)
        directions: Mapping[str, Tensor] | None = None
        for variant in variants(subject, self.settings):
            missing: list[Protocol] = [
                p for p in self._protocols(variant, subject) if (self.name, variant.name, p) not in self.there
            ]
            if not missing:
                continue
            if "editing" in missing and directions is None:
                directions = learned_directions(subject, self.settings)
            persona = persona_of(subject, variant, self.run)
            anchors = anchors_of(subject, variant, persona)
            context = replace(subject.context, persona=persona, logger=self.run)
            scene = Scene(context, anchors, self._held_out(subject), self.instruments, self.settings, directions or {})
            with nullcontext() if persona is None else attached(context.generator, persona):
                for protocol in missing:
                    found = FOLLOW[protocol](scene)
                    self._keep(variant, protocol, found)
                    tuned = (0, 0) if persona is None else (persona.numbers, persona.origin.images_seen)
                    self.there.add(
                        Measured(self.name, variant.name, variant.study, protocol, found.figures, found.curve, *tuned)
                    )

    def _protocols(self, variant: Variant, subject: Subject) -> Sequence[Protocol]:
        if variant.study:
            return STUDIED
        # Asked for alone, editing says itself why it cannot be; among others it is left out.
        chosen = self.settings.protocols
        return chosen if can_edit(subject) else [name for name in chosen if name != "editing"] or chosen

    def _held_out(self, subject: Subject) -> Any:  # noqa: ANN401 - an Album or None
        return None if subject.held_out is None else subject.held_out[: self.settings.held_out]

    def _keep(self, variant: Variant, protocol: Protocol, found: Found) -> None:
        pictures = {"shown": found.shown, **{f"beside.{name}": images for name, images in found.beside.items()}}
        small = {name: images.cpu().half().contiguous() for name, images in pictures.items()}
        folder = self.run.directory / "examples"
        folder.mkdir(exist_ok=True)
        captions = {"captions": json.dumps(found.captions)}
        write_safetensors(folder / f"{self.name}, {variant.name}, {protocol}.safetensors", small, captions)


def can_edit(subject: Subject) -> bool:
    """Whether anything says what this generator's pictures show, so that directions can be learned."""
    return subject.context.attributes is not None or subject.context.backend.meaning is not None


def learned_directions(subject: Subject, settings: Evaluation) -> dict[str, Tensor]:
    """The directions [1, D] of the chosen attributes, learned in the generator as it was pretrained.

    Empty where nothing reads attributes there; raises UnknownNameError for an attribute that nobody knows.
    """
    context = subject.context
    if not can_edit(subject):
        return {}
    # What is known of the noise beats what a judge reads in pictures that the generator may draw badly.
    teacher = None if context.backend.meaning is None else "known"
    labels = labelled(context, settings.samples, teacher=teacher, seed=settings.seed)
    # Those first whose change can be read in pictures: what noise means and what a judge reads need not be the same.
    readable = () if context.attributes is None else context.attributes.names
    chosen = settings.attributes or tuple(sorted(labels.scores, key=lambda name: name not in readable))[:3]
    for name in chosen:
        if name not in labels.scores:
            raise UnknownNameError("attribute", name, labels.scores)
    return {name: learned(labels, name, context.generator, DirectionFit(seed=settings.seed)).d for name in chosen}


def examples_of(run: Run, subject: str, variant: str, protocol: str) -> tuple[dict[str, Tensor], list[str]] | None:
    """The pictures that the protocol left, `shown` [E, 3, R, R] and `beside.NAME`, and their captions; None where it
    left none. Raises RunError where the file is damaged.
    """
    file = run.directory / "examples" / f"{subject}, {variant}, {protocol}.safetensors"
    if not file.exists():
        return None
    again = "delete it, its line in log.jsonl and state.safetensors to follow the protocol again"
    try:
        tensors, metadata = read_safetensors(file)
        captions = json.loads(metadata.get("captions", ""))
    except (WeightsError, ValueError, RecursionError) as error:
        raise RunError(f"{file} is damaged or cut short: {again}") from error
    whole = "shown" in tensors and all(t.ndim == 4 and t.shape[1] == 3 and t.shape[0] for t in tensors.values())
    if not whole or not isinstance(captions, list) or not all(isinstance(caption, str) for caption in captions):
        raise RunError(f"{file} does not hold the pictures of a protocol: {again}")
    return {name: tensor.float() for name, tensor in tensors.items()}, captions


def require(subject: Subject, settings: Evaluation) -> None:
    """Raises InputError, before any work, where a chosen protocol cannot be followed for this subject."""
    unseen = [name for name in ("inversion", "restoration") if name in settings.protocols] or list(settings.studies)
    if unseen and subject.held_out is None:
        raise InputError(f"{', '.join(unseen)}: these want photos that were held out: give --album, or other --tasks")
    if "interpolation" in settings.protocols and len(subject.inverted) < 2:
        raise InputError("interpolation wants two anchors at least: give other --tasks")
