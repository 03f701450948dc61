"""How cameras are looked for."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gpk.errors import RecipeError
from gpk_tasks.checks import above_zero, at_least
from gpk_tasks.renders import STEEPEST


@dataclass(frozen=True)
class Posing:
    """How cameras are looked for.

    The search goes over +-`yaw` in `columns` and +-`pitch` in `rows`, in radians, with the mean code and so many drawn
    ones that they are `codes`, summed at `temperature`; pictures are compared at `side` pixels at most. Of each photo
    `hypotheses` are followed, for `steps` steps of Adam and, around the album's subject, for `steps` more: `lr` is the
    rate of round coordinates of w, `lr_angle` that of radians. `pull`, `cohesion` and `prior` weigh how far a code is
    from the mean, from the album's, and an angle from the front. With `frames` the squares that photos were cut by are
    as uncertain as a finder's, and descend too: at a rate of `lr_frame`, held by `framing`, both in units of their
    spread. `l2` and `perceptual` weigh the terms of Eq. 1. A photo is in `doubt` below this confidence.

    Raises RecipeError for what cannot be.
    """

    yaw: float = 0.7
    pitch: float = 0.42
    columns: int = 9
    rows: int = 5
    codes: int = 8
    hypotheses: int = 1
    temperature: float = 1.0
    steps: int = 15
    lr: float = 0.1
    lr_angle: float = 0.02
    pull: float = 0.02
    cohesion: float = 0.1
    prior: float = 0.01
    frames: bool = False
    lr_frame: float = 0.2
    framing: float = 0.002
    l2: float = 1.0
    perceptual: float = 1.0
    side: int = 128
    doubt: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        own = "{} of posing"
        at_least(self, 1, "columns", "rows", "codes", "hypotheses", "side", spelled=own)
        at_least(self, 0, "steps", "lr", "lr_angle", "lr_frame", "pull", "cohesion", "prior", "framing", spelled=own)
        at_least(self, 0, "l2", "perceptual", spelled=own)
        above_zero(self, "temperature", spelled=own)
        for name, most in (("yaw", torch.pi), ("pitch", STEEPEST)):
            if not 0 < getattr(self, name) <= most:
                told = f"above 0 and at most {most:.4g}, not {getattr(self, name):g}"
                raise RecipeError(f"{name} of posing is in radians, {told}")
        if not 0 <= self.doubt <= 1:
            raise RecipeError(f"doubt of posing must be from 0 to 1, not {self.doubt}")
