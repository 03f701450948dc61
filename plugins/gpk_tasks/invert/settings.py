"""The settings of the task `invert`: where codes are looked for, how long, and what is done from there."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from gpk.errors import InputError
from gpk.persona import Persona
from gpk.plugin import option
from gpk_tasks.invert.pivotal import Pivoting
from gpk_tasks.personalize.presets import preset
from gpk_tasks.personalize.settings import Inversion
from gpk_tasks.placement import PLACEMENTS, Placement
from gpk_tasks.renders import check_angles

Space = Literal["w", "w+", "hull"]
INVERSIONS = {"paper": Inversion(steps=600), "quick": preset("fast").inversion}
"""Free codes: My3DGen's 600 steps (section 4.1) as StyleGAN2's projector does them, and what `personalize` does."""


@dataclass(frozen=True)
class Location:
    """Where the codes are looked for, how long, and what is done from there.

    What is None is as the `protocol` has it, and the space the hull with a subject, W without. Raises InputError for
    what cannot be.
    """

    space: Literal["w", "w+", "hull"] | None = option(None, "Of the codes [hull; w without SUBJECT].")
    protocol: Literal["paper", "quick"] = option("paper", "The paper's numbers, or few steps at higher rates.")
    steps: int | None = option(None, "Steps on the code [hull: 1000, quick 30; w, w+: 600, quick 50].")
    lr: float | None = option(None, "Rate of the code [hull: 0.005, quick 0.05; w, w+: 0.1, quick 0.3].")
    beta: float | None = option(None, "Hull: how far it is dilated [0.03].")
    total: float | None = option(None, "Hull: weight of the coordinates' summing to 1 [10, quick 0].")
    lr_offset: float | None = option(None, "Hull: rate of the layers' offsets [0.005, quick 0.02].")
    offset: float | None = option(None, "Hull: weight of the offsets' squares [10, quick 1].")
    offset_layers: int | None = option(None, "Hull: layers whose offsets have that weight [12, quick all].")
    unit: Literal["w", "spread"] | None = option(None, "Hull: unit of the offsets [w, quick spread].")
    draws: int | None = option(None, "w, w+: begin at the best of so many random codes [the backend's own].")
    side: int | None = option(None, "Larger pictures are compared at this side [256].")
    l2: float = option(1.0, "Weight of the mean square in the loss of the code.")
    perceptual: float = option(1.0, "Weight of the perceptual distance in the loss of the code.")
    pti: bool = option(False, "Pivotal tuning: fit the weights to each photo, around its code.")
    together: bool = option(False, "Pivotal tuning of all photos at once, instead of each by itself.")
    pti_steps: int = option(350, "Pivotal tuning: steps at most.")
    pti_stop: float | None = option(None, "Pivotal tuning: the distance that ends it [LPIPS: 0.06, others none].")
    pti_recipe: Literal["whole", "lora"] = option("whole", "Pivotal tuning: every weight, or a low rank.")
    pti_rank: int = option(1, "Pivotal tuning: the rank of `lora`.")
    pti_lr: float | None = option(None, "Pivotal tuning: Adam's rate [3e-4; lora 5e-3].")
    pti_locality: float = option(0.0, "Pivotal tuning: weight of the locality term, 0.1 where PTI has it.")
    pti_reach: float = option(30.0, "Pivotal tuning: how far off the locality term looks, in units of w.")
    yaw: float = option(0.35, "In 3D: also seen from so many radians left and right; 0 for no such views.")
    pitch: float = option(0.25, "In 3D: also seen from so many radians above and below; 0 for no such views.")
    seed: int = option(0, "Seed of everything random.")
    memory: float | None = option(None, "GiB that a step may take [8 on a CPU, four fifths of a GPU's].")

    def __post_init__(self) -> None:
        if self.yaw < 0 or self.pitch < 0:
            raise InputError("yaw and pitch must be at least 0")
        check_angles(yaw=[self.yaw], pitch=[self.pitch])
        if self.memory is not None and not self.memory > 0:
            raise InputError(f"memory must be above 0 GiB, not {self.memory}")
        if self.together and not self.pti:
            raise InputError("together is about pivotal tuning: give pti too")
        self.inversion("w")  # what they cannot be is said before any work
        self.placement()
        self.pivoting()

    def space_of(self, persona: Persona | None) -> Space:
        """The space, for that persona or none."""
        return self.space or ("w" if persona is None else "hull")

    def inversion(self, space: Literal["w", "w+"]) -> Inversion:
        """How a free code is found."""
        return dataclasses.replace(
            INVERSIONS[self.protocol], space=space, **self._stated("steps", "lr", "draws", "side", "l2", "perceptual")
        )

    def placement(self) -> Placement:
        """How a code in the hull is found."""
        names = [field.name for field in dataclasses.fields(Placement) if hasattr(self, field.name)]
        return dataclasses.replace(PLACEMENTS[self.protocol], **self._stated(*names))

    def pivoting(self) -> Pivoting:
        """How the weights are tuned around it."""
        return Pivoting(
            steps=self.pti_steps, recipe=self.pti_recipe, rank=self.pti_rank, lr=self.pti_lr, stop=self.pti_stop,
            locality=self.pti_locality, reach=self.pti_reach,
        )  # fmt: skip

    def _stated(self, *names: str) -> dict[str, Any]:
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}
