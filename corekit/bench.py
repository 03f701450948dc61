"""What a task is handed, and where it writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from corekit.album import Album
from corekit.generator import Generator
from corekit.plugin import Backend, Card

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


@dataclass(frozen=True)
class Bench:
    """Everything a task works with: the generator with its backend and card, the networks that look at its pictures,
    the album, and the journal.

    `distance` is in the loss; `reporting`, where there is one, is a distance that no loss has seen.
    """

    backend: Backend
    card: Card
    generator: Generator
    distance: Distance
    album: Album
    journal: Journal
    judge: nn.Module | None = None
    reporting: Distance | None = None
