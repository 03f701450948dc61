"""What `gpk evaluate` measures, with the paper's numbers as defaults (My3DGen, section 5 and appendices B to D)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from gpk.errors import InputError, UnknownNameError
from gpk.plugin import option

Protocol = Literal["inversion", "interpolation", "synthesis", "restoration", "editing"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
Study = Literal["ranks", "sizes", "layouts"]
STUDIES: tuple[Study, ...] = get_args(Study)
Baseline = Literal["pretrained", "full"]
BASELINES: tuple[Baseline, ...] = get_args(Baseline)


@dataclass(frozen=True)
class Evaluation:
    """Which protocols are followed, against what, and every number in them.

    A study tunes personas anew, by the run's own settings but for one, and puts them through inversion and synthesis.
    Raises InputError where there is nothing to do, or a number or a name cannot be.
    """

    tasks: tuple[str, ...] = option(
        PROTOCOLS, "Protocols; also the studies ranks, sizes and layouts, which tune personas anew."
    )
    against: tuple[str, ...] = option(BASELINES, "Baselines: pretrained, and full fine-tuning, which is tuned here.")
    placement: Literal["paper", "quick"] = option("paper", "How photos are placed in the hull: 1,000 steps, or 30.")
    placement_steps: int | None = option(None, "Steps of it, where other than that.")
    pti: bool = option(True, "Inversion also with PTI.")
    pti_steps: int = option(350, "Steps of PTI's tuning.")
    pairs: int = option(10, "Interpolation: pairs of anchors.")
    points: int = option(10, "Interpolation: weights between two anchors.")
    views: int = option(20, "Interpolation: views of each.")
    pictures: int = option(1000, "Synthesis: pictures.")
    beta: float = option(0.03, "How far the hull is dilated, in synthesis and editing.")
    hole: float = option(0.5, "Restoration: side of the missing square in the middle, as a share.")
    factors: tuple[int, ...] = option((), "Restoration: how many times too coarse; by default to 32 pixels a side.")
    attributes: tuple[str, ...] = option((), "Editing: which attributes; by default the first three that are known.")
    samples: int = option(2000, "Editing: codes that a direction is learned from.")
    amounts: tuple[float, ...] = option((-2.0, -1.0, 1.0, 2.0), "Editing: how far, as `gpk run edit` counts.")
    ranks: tuple[int, ...] = option((1, 4, 16), "Ranks that are compared.")
    sizes: tuple[int, ...] = option((10, 50, 100), "Sizes of albums that are compared, as far as photos go.")
    held_out: int | None = option(None, "At most so many held-out photos.")
    seed: int = option(0, "Seed of everything random.")

    def __post_init__(self) -> None:
        for task in self.tasks:
            if task not in (*PROTOCOLS, *STUDIES):
                raise UnknownNameError("protocol or study", task, (*PROTOCOLS, *STUDIES))
        for baseline in self.against:
            if baseline not in BASELINES:
                raise UnknownNameError("baseline", baseline, BASELINES)
        for name in ("pairs", "points", "views", "pictures", "samples"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.beta < 0 or self.pti_steps < 0 or (self.placement_steps or 0) < 0:
            raise InputError("beta, pti_steps and placement_steps must be at least 0")
        if not self.tasks:
            raise InputError(f"nothing to evaluate: give tasks, of {', '.join((*PROTOCOLS, *STUDIES))}")

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """The chosen protocols, in the paper's order."""
        return tuple(name for name in PROTOCOLS if name in self.tasks)

    @property
    def studies(self) -> tuple[Study, ...]:
        """The chosen studies."""
        return tuple(name for name in STUDIES if name in self.tasks)


def quick(settings: Evaluation) -> Evaluation:
    """The same in minutes: fewer steps, pictures and pairs; too few to quote, enough to see."""
    return replace(
        settings,
        placement="quick",
        placement_steps=None,
        pti=False,
        pairs=3,
        points=5,
        views=4,
        pictures=48,
        samples=500,
        held_out=4,
    )
