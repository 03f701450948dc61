"""What `gpk analyze` measures, and how it tries what changes do. Light: never imports torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from gpk.errors import InputError
from gpk.plugin import option


@dataclass(frozen=True)
class Analysis:
    """How changes are measured, and how it is tried what they do. Raises InputError for what cannot be."""

    norm: Literal["frobenius", "mean-abs"] = option("frobenius", "The norm of |dW| and |W0|.")
    check: bool = option(True, "Show the subject without each block's changes, and with them alone.")
    anchors: int = option(4, "Anchors that are shown for that, evenly chosen.")
    yaw: tuple[float, ...] = option((-0.35, 0.0, 0.35), "Each from these sides, in radians; in 2D once.")
    budget: float = option(0.5, "Suggested ranks: their numbers, as a share of the persona's LoRA.")

    def __post_init__(self) -> None:
        if self.anchors < 1 or not self.yaw:
            raise InputError(f"it takes one anchor and one yaw at least, not {self.anchors} and {len(self.yaw)}")
        for angle in self.yaw:
            if not abs(angle) <= math.pi:  # NaN is not either
                raise InputError(f"yaw is in radians, from -3.142 to 3.142, not {angle:g}")
        if not 0 < self.budget <= 1:
            raise InputError(f"the budget is a share of the LoRA's numbers, above 0 and at most 1, not {self.budget:g}")
