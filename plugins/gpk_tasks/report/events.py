"""What a report takes out of a run's log and settings, as checked values. Light: never imports torch.

What a log or a config has beside these fields, of an older or a newer gpk, is left out; a field with a default may be
missing, for older ones have not all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Figures = Mapping[str, Mapping[str, Mapping[str, float | None]]]
"""Figures by photos, generator and name; None is what was no finite number."""


@dataclass(frozen=True)
class Photos:
    """The photos that were learned from."""

    photos: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judge:
    """A network that looks at pictures."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Provenance:
    """What the persona is made from: the base's title, licence and numbers; judges by what they do."""

    title: str = ""
    licence: str = ""
    numbers: int | None = None
    judges: Mapping[str, Judge] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """The parts of the loss at a step, counted from 1, None where they were not finite."""

    step: int
    l2: float | None = None
    perceptual: float | None = None


@dataclass(frozen=True)
class Inverted(Step):
    """A step of inversion, of one batch of photos."""

    batch: int = 0


@dataclass(frozen=True)
class Tuned(Step):
    """A step of tuning."""


@dataclass(frozen=True)
class Look:
    """An album's small pictures: a row for each photo."""

    columns: tuple[str, ...]
    photos: tuple[str, ...]


@dataclass(frozen=True)
class Looks:
    """The small pictures by album."""

    albums: Mapping[str, Look]

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(len(look.columns) * len(look.photos) for look in self.albums.values())


@dataclass(frozen=True)
class Block:
    """How much of a block has changed, and the ends of the spread where there is one."""

    name: str
    percent: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Importance:
    """The blocks that were measured."""

    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Done:
    """What a personalization gave: see `Outcome.to_json`."""

    persona: str
    bytes: int
    numbers: int
    album: int
    images_seen: int
    seconds: float
    figures: Figures
    pictures: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


KINDS: dict[str, type] = {
    "album": Photos,
    "provenance": Provenance,
    "invert": Inverted,
    "tune": Tuned,
    "looks": Looks,
    "importance": Importance,
    "done": Done,
}
"""Events by their name in the log."""
UNTOLD = frozenset({"source", "finished"})
"""Events that a report has nothing to say of."""


@dataclass(frozen=True)
class Change:
    """The recipe."""

    rank: int | None = None
    alpha: float | None = None
    layout: str | None = None
    parts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Descent:
    """Inversion or tuning; of given anchors the space alone."""

    steps: int | None = None
    batch: int | None = None
    lr: float | None = None
    space: str | None = None


@dataclass(frozen=True)
class Asked:
    """What a run's config.yaml asks for, as far as a report tells it in words."""

    backend: str | None = None
    card: str | None = None
    base: str | None = None
    album: str | None = None
    distance: str | None = None
    seed: int | None = None
    recipe: Change = Change()
    inversion: Descent = Descent()
    tuning: Descent = Descent()
    anchors: Descent | None = None
