"""The whole evaluation: every protocol for every way of every sitter, one after the other, resumable.

What is done stands in the run's log, a line for each; the same command does what is missing.
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
from gpk.errors import InputError, UnknownNameError
from gpk_checkpoints.files import read_safetensors, write_safetensors
from gpk_evaluate.instruments import Figures, Instruments
from gpk_evaluate.protocols import FOLLOW, Found, Scene
from gpk_evaluate.settings import Evaluation, Protocol
from gpk_evaluate.ways import Sitter, Way, anchors_of, persona_of, ways
from gpk_runs.run import Run
from gpk_tasks.attributes import Lesson, labelled, learned

STUDIED: tuple[Protocol, ...] = ("inversion", "synthesis")
"""What the ways of a study go through."""


@dataclass(frozen=True)
class Measured:
    """What one protocol gave for one way of one sitter: `figures` by what was looked at; `study` where the way belongs
    to one; `numbers` that were tuned, by `images_seen` pictures.
    """

    sitter: str
    way: str
    study: str | None
    protocol: str
    figures: Mapping[str, Figures]
    curve: Mapping[str, float] | None
    numbers: int
    images_seen: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


def evaluate(
    sitters: Iterable[tuple[str, Callable[[], Sitter]]], numbers: Evaluation, instruments: Instruments, run: Run
) -> list[Measured]:
    """All that was measured, what an earlier process did included. A sitter is made when it is its turn.

    Pictures of each protocol stay in the folder `examples` (see `examples_of`). Raises InputError where a protocol
    cannot be followed.
    """
    there = _Measured(run)
    for name, make in sitters:
        _Sitting(name, make, numbers, instruments, run, there).hold()
    return there.all


class _Measured:
    """What the run's log says is done."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.all = [Measured(**event["measured"]) for event in run.read_log() if event["event"] == "measured"]

    def __contains__(self, key: tuple[str, str, str]) -> bool:
        return any((m.sitter, m.way, m.protocol) == key for m in self.all)

    def add(self, measured: Measured) -> None:
        self.all.append(measured)
        self.run.record("measured", {"measured": measured.to_json()})
        self.run.save_state({"done": torch.tensor(len(self.all))}, {})  # a log is kept as far as a state knows it


@dataclass
class _Sitting:
    """One sitter's turn."""

    name: str
    make: Callable[[], Sitter]
    numbers: Evaluation
    instruments: Instruments
    run: Run
    there: _Measured

    def hold(self) -> None:
        sitter = replace(self.make(), name=self.name)
        directions: Mapping[str, Tensor] | None = None
        for way in ways(sitter, self.numbers):
            missing: list[Protocol] = [
                p for p in self._protocols(way, sitter) if (self.name, way.name, p) not in self.there
            ]
            if not missing:
                continue
            if "editing" in missing and directions is None:
                directions = learned_directions(sitter, self.numbers)
            persona = persona_of(sitter, way, self.run)
            anchors = anchors_of(sitter, way, persona)
            bench = replace(sitter.bench, persona=persona, journal=self.run)
            scene = Scene(bench, anchors, self._held_out(sitter), self.instruments, self.numbers, directions or {})
            with nullcontext() if persona is None else attached(bench.generator, persona):
                for protocol in missing:
                    found = FOLLOW[protocol](scene)
                    self._keep(way, protocol, found)
                    tuned = (0, 0) if persona is None else (persona.numbers, persona.origin.images_seen)
                    self.there.add(
                        Measured(self.name, way.name, way.study, protocol, found.figures, found.curve, *tuned)
                    )

    def _protocols(self, way: Way, sitter: Sitter) -> Sequence[Protocol]:
        if way.study:
            return STUDIED
        # Asked for alone, editing says itself why it cannot be; among others it is left out.
        chosen = self.numbers.protocols
        return chosen if can_edit(sitter) else [name for name in chosen if name != "editing"] or chosen

    def _held_out(self, sitter: Sitter) -> Any:  # noqa: ANN401 - an Album or None
        return None if sitter.held_out is None else sitter.held_out[: self.numbers.held_out]

    def _keep(self, way: Way, protocol: Protocol, found: Found) -> None:
        pictures = {"shown": found.shown, **{f"beside.{name}": images for name, images in found.beside.items()}}
        small = {name: images.cpu().half().contiguous() for name, images in pictures.items()}
        folder = self.run.directory / "examples"
        folder.mkdir(exist_ok=True)
        captions = {"captions": json.dumps(found.captions)}
        write_safetensors(folder / f"{self.name}, {way.name}, {protocol}.safetensors", small, captions)


def can_edit(sitter: Sitter) -> bool:
    """Whether anything says what this generator's pictures show, so that directions can be learned."""
    return sitter.bench.attributes is not None or sitter.bench.backend.meaning is not None


def learned_directions(sitter: Sitter, numbers: Evaluation) -> dict[str, Tensor]:
    """The directions [1, D] of the chosen attributes, learned in the generator as it was pretrained.

    Empty where nothing reads attributes there; raises UnknownNameError for an attribute that nobody knows.
    """
    bench = sitter.bench
    if not can_edit(sitter):
        return {}
    # What is known of the noise beats what a judge reads in pictures that the generator may draw badly.
    teacher = None if bench.backend.meaning is None else "known"
    labels = labelled(bench, numbers.samples, teacher=teacher, seed=numbers.seed)
    # Those first whose change can be read in pictures: what noise means and what a judge reads need not be the same.
    readable = () if bench.attributes is None else bench.attributes.names
    chosen = numbers.attributes or tuple(sorted(labels.scores, key=lambda name: name not in readable))[:3]
    for name in chosen:
        if name not in labels.scores:
            raise UnknownNameError("attribute", name, labels.scores)
    return {name: learned(labels, name, bench.generator, Lesson(seed=numbers.seed)).d for name in chosen}


def examples_of(run: Run, sitter: str, way: str, protocol: str) -> tuple[dict[str, Tensor], list[str]] | None:
    """The pictures that the protocol left, `shown` [E, 3, R, R] and `beside.NAME`, and their captions; None where it
    left none.
    """
    file = run.directory / "examples" / f"{sitter}, {way}, {protocol}.safetensors"
    if not file.exists():
        return None
    tensors, metadata = read_safetensors(file)
    return {name: tensor.float() for name, tensor in tensors.items()}, json.loads(metadata["captions"])


def require(sitter: Sitter, numbers: Evaluation) -> None:
    """Raises InputError, before any work, where a chosen protocol cannot be followed for this sitter."""
    unseen = [name for name in ("inversion", "restoration") if name in numbers.protocols] or list(numbers.studies)
    if unseen and sitter.held_out is None:
        raise InputError(f"{', '.join(unseen)}: these want photos that were held out: give --album, or other --tasks")
    if "interpolation" in numbers.protocols and len(sitter.inverted) < 2:
        raise InputError("interpolation wants two anchors at least: give other --tasks")
