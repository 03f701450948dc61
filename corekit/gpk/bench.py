"""What a task is handed, and where it writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from gpk.album import Album
from gpk.attach import attached
from gpk.errors import InputError
from gpk.generator import Generator
from gpk.latents import anchors_as_ws
from gpk.persona import Persona
from gpk.plugin import Backend, Card

Distance = Callable[[Tensor, Tensor], Tensor]
"""Two batches of images [B, 3, R, R] in [-1, 1] → how far apart each pair looks [B]; differentiable."""


@runtime_checkable
class FeatureDistance(Protocol):
    """A `Distance` that compares what it sees in each picture, so that photos need to be looked at only once."""

    def __call__(self, a: Tensor, b: Tensor, /) -> Tensor:
        """`between(features(a), features(b))`."""
        ...

    def features(self, images: Tensor, /) -> Sequence[Tensor]:
        """What is seen in images [B, 3, R, R]: tensors [B, …]."""
        ...

    def between(self, a: Sequence[Tensor], b: Sequence[Tensor], /) -> Tensor:
        """How far apart what was seen is [B]."""
        ...


Judge = Callable[[Tensor], Tensor]
"""Images [B, 3, R, R] in [-1, 1] → unit features [B, F]."""


@runtime_checkable
class Attributes(Protocol):
    """What can be said of a picture in numbers, such as how open a mouth is: K of them, by name."""

    names: tuple[str, ...]

    def __call__(self, images: Tensor, /) -> Tensor:
        """The attributes [B, K] of images [B, 3, R, R] in [-1, 1], in the order of `names`; differentiable."""
        ...


class Journal(Protocol):
    """Where a task tells what happens: `record` is kept, `progress` is shown."""

    def record(self, event: str, facts: Mapping[str, object]) -> None:
        """Appends one event to the journal."""
        ...

    def progress(self, stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        """Shows how far a stage is; called once a step."""
        ...


class Silence:
    """The journal that keeps and shows nothing."""

    def record(self, event: str, facts: Mapping[str, object]) -> None:
        """Keeps nothing."""

    def progress(self, stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        """Shows nothing."""


class Run(Journal, Protocol):
    """The folder of one task's results: `directory`, its `pictures`, and a state to go on from after a crash."""

    @property
    def directory(self) -> Path:
        """The folder."""
        ...

    @property
    def pictures(self) -> Path:
        """The folder in it for pictures."""
        ...

    def load_state(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Tensors and position (JSON types) as last saved, or None."""
        ...

    def save_state(self, tensors: Mapping[str, Tensor], position: Mapping[str, Any]) -> None:
        """Replaces the state, whole or not at all."""
        ...


@dataclass(frozen=True)
class Bench:
    """Everything a task works with: the generator with its backend and card, the networks that look at its pictures,
    the photos, the journal and, where a subject is known already, its persona.

    `distance` is in the loss; `reporting`, where there is one, is a distance that no loss has seen; `attributes` tells
    in numbers what a picture shows. `album` are the photos to work on; it is empty for a task that needs none.
    """

    backend: Backend
    card: Card
    generator: Generator
    distance: Distance
    album: Album
    journal: Journal
    judge: nn.Module | None = None
    reporting: Distance | None = None
    persona: Persona | None = None
    attributes: Attributes | None = None

    @contextmanager
    def personalized(self) -> Iterator[Generator]:
        """The generator with the persona attached, inside the block; as it is, where there is no persona."""
        if self.persona is None:
            yield self.generator
        else:
            with attached(self.generator, self.persona) as generator:
                yield generator

    def anchors(self) -> Tensor:
        """The persona's anchors as the generator takes them, [N, num_ws, D]; raises InputError without a persona."""
        if self.persona is None:
            raise InputError("this needs a subject's anchors: give a persona, or the run that made it")
        return anchors_as_ws(self.persona.anchors, self.generator.latent.num_ws)
