"""The edits of a generator, learned while somebody waits: a direction for all that can be told of its codes.

Where something is known of the generator's noise, thousands of labelled codes are a matter of a second; else its
pictures have to be made and read, which may take minutes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gpk.context import Context
from gpk.errors import InputError
from gpk.logger import NullLogger
from gpk_tasks.edit.attributes import DirectionFit, labelled, learned
from gpk_view.scene import Stage

KNOWN, READ = 4096, 1024
"""Codes to learn from, where their noise tells, and where pictures are read."""

Progress = Callable[[float], None]
"""Told how far it is, from 0 to 1."""


@dataclass(frozen=True)
class Edit:
    """An edit, and how much of it the albums go along with, from 0 to 1: their mean, None without any."""

    name: str
    held: float | None


def known_edits(stage: Stage) -> tuple[Edit, ...]:
    """The stage's edits, those first that the albums go along with."""
    edits = []
    for name in stage.directions:
        held = [stage.held(persona, name) for persona in stage.personas]
        edits.append(Edit(name, sum(held) / len(held) if held else None))
    return tuple(sorted(edits, key=lambda edit: -(edit.held or 0)))


def can_learn(context: Context) -> bool:
    """Whether anything can be told of this generator's codes."""
    return context.backend.meaning is not None or context.attributes is not None


def learn_edits(stage: Stage, progress: Progress) -> tuple[str, ...]:
    """Adds a direction to the stage for every attribute, and returns the attributes that its codes do not vary.

    Raises InputError where nothing can be told of the generator's codes.
    """
    context, fit, left_out = stage.context, DirectionFit(), []
    known = context.backend.meaning is not None

    def show(share: float) -> None:
        progress(share)  # may have drawn somebody's picture
        stage.wear(None)

    show(0.0)
    labels = labelled(
        dataclasses.replace(context, logger=Listener(show)),
        KNOWN if known else READ,
        teacher="known" if known else None,
    )
    for done, name in enumerate(labels.scores, 1):
        try:
            stage.add_direction(learned(labels, name, context.generator, fit))
        except InputError:  # all codes are alike in it
            left_out.append(name)
        show(done / len(labels.scores))
    return tuple(left_out)


class Listener(NullLogger):
    """A logger that hands on how far it is."""

    def __init__(self, listener: Progress) -> None:
        self._listener = listener

    def progress(self, stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        """Hands it on."""
        self._listener(done / total)
