"""The settings of the task `edit`: what is to change, how that is learned, and how far it goes in which codes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gpk.directions import LEAST
from gpk.errors import InputError
from gpk.plugin import option
from gpk_tasks.edit.attributes import DirectionFit
from gpk_tasks.renders import check_angles


@dataclass(frozen=True)
class Editing:
    """What is to change, how that is learned, and how far it goes in which codes.

    Raises InputError for what cannot be.
    """

    attribute: str | None = option(None, "What is to change, such as openness: its direction is learned.")
    direction: Path | None = option(None, "Instead: a direction's file, .npy, .npz, .pt or .safetensors.")
    labels: Path | None = option(None, "Learn from a CSV: `file` or `index`, and a column an attribute.")
    labelled: Path | None = option(None, "The codes of the pictures in the CSV, such as a codes.safetensors.")
    teacher: Literal["judge", "known"] | None = option(
        None, "Learn from drawn codes, by their pictures or their noise [judge]."
    )
    without: tuple[str, ...] = option((), "Attributes that are to stay: the direction is kept off theirs.")
    samples: int = option(1024, "Codes that are drawn to learn from.")
    share: float = option(0.2, "Of the codes, those of the highest scores, and of the lowest, tell.")
    penalty: float = option(100.0, "What it costs that a code is on the wrong side.")
    amounts: tuple[float, ...] = option(
        (-2.0, -1.0, 0.0, 1.0, 2.0), "How far, in standard deviations of the generator's codes; 0 is always there."
    )
    space: Literal["hull", "w"] = option("hull", "Within what the album varies, or freely.")
    edge: Literal["stop", "continue", "project"] = option(
        "continue", "At the hull's edge: stop, continue, or project back."
    )
    beta: float = option(0.03, "How far the hull is dilated: identity for freedom.")
    anchors: tuple[int, ...] = option((), "Which anchors, counted from 0, such as 0,3; with --codes, which of those.")
    codes: Path | None = option(None, "Instead of anchors: a file of codes, .npy, .npz, .pt or .safetensors.")
    yaw: float = option(0.0, "In 3D: seen from so many radians to the left or right.")
    pitch: float = option(0.0, "In 3D: seen from so many radians above (below 0) or below.")
    seed: int = option(0, "Seed of everything random.")

    def __post_init__(self) -> None:
        if self.direction is None and self.attribute is None and self.labels is None:
            raise InputError("what is to change? Give an --attribute, a --direction, or --labels")
        if self.direction is not None and (self.labels or self.teacher or self.without):
            raise InputError("a --direction is learned already: leave out --labels, --teacher and --without")
        if (self.labels is None) != (self.labelled is None):
            raise InputError("--labels, the CSV, and --labelled, the codes of its pictures, go together")
        if self.labels is not None and self.teacher is not None:
            raise InputError("--labels are the teacher: leave out --teacher")
        if not self.amounts or not all(math.isfinite(amount) for amount in self.amounts):
            raise InputError("amounts are numbers with commas, such as -2,-1,0,1,2")
        if self.samples < 4 * LEAST:
            raise InputError(f"samples must be at least {4 * LEAST}, not {self.samples}")
        if not 0 < self.share <= 0.5:
            raise InputError(f"share must be above 0 and at most 0.5, not {self.share:g}")
        if not self.penalty > 0 or not self.beta >= 0:
            raise InputError(f"penalty must be above 0 and beta at least 0, not {self.penalty:g} and {self.beta:g}")
        check_angles(yaw=(self.yaw,), pitch=(self.pitch,))

    @property
    def fit(self) -> DirectionFit:
        """How the direction is learned."""
        return DirectionFit(self.share, self.penalty, self.seed)

    @property
    def steps(self) -> tuple[float, ...]:
        """The amounts in order, with 0."""
        return tuple(sorted({0.0, *self.amounts}))
