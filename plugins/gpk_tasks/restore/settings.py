r"""What the task `restore` is told: what is wrong with the photos, and how they are placed in the hull.

Shapes: N photos, R image side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from gpk.damage import Coarse, Damage, Grey, Hole, Together, box_hole, in_blocks, square_hole
from gpk.errors import InputError
from gpk.plugin import option
from gpk_photos import read_masks
from gpk_tasks.placement import PLACEMENTS, Placement

COARSE_SIDE = 32
"""The side from which My3DGen restores 512 (section 4.2)."""


@dataclass(frozen=True)
class Restoration:
    """What is to be done; what is None of the placement is as the `protocol` has it.

    Raises InputError for what cannot be.
    """

    kind: tuple[Literal["inpaint", "upscale", "colour"], ...] = option(
        ("inpaint",), "inpaint, upscale or colour, or several of them with commas."
    )
    mask: str | None = option(None, "inpaint: what is missing: centre, a picture (white: missing) or a folder of them.")
    share: float = option(0.5, "inpaint: side of the centre mask, in shares of the picture's.")
    box: tuple[float, ...] = option((), "inpaint: a box is missing: x,y,width,height in shares of the side.")
    feather: int = option(0, "inpaint: pixels around the hole in which the render goes over into the photo.")
    factor: int | None = option(None, "upscale: how many times the side. Without it: from 32, as 16 does for 512.")
    subject_mask: Path | None = option(None, "upscale: where the subject is (white); the rest comes from the photo.")
    keep_luminance: bool = option(True, "colour: the photo's own luminance under the colours found.")
    fit_mask: bool = option(False, "Masks of another size than the photos are resized.")
    whole: bool = option(False, "The photos are whole: damage them so, restore them, and compare.")
    views: bool = option(True, "In 3D: the restored subject also from left and right.")
    protocol: Literal["paper", "quick"] = option("paper", "The paper's numbers, or few steps at higher rates.")
    steps: int | None = option(None, "Steps on the code [1000, quick 30].")
    lr: float | None = option(None, "Rate of the code [0.005, quick 0.05].")
    beta: float | None = option(None, "How far the hull is dilated [0.03].")
    lr_offset: float | None = option(None, "Rate of the layers' offsets [0.005, quick 0.02].")
    offset: float | None = option(None, "Weight of the offsets' squares [10, quick 1].")
    memory: float | None = option(None, "GiB that a step may take [8 on a CPU, four fifths of a GPU's].")

    def __post_init__(self) -> None:
        if not self.kind or len(set(self.kind)) < len(self.kind):
            raise InputError(f"kind is inpaint, upscale or colour, or several of them, not {','.join(self.kind)!r}")
        for name, kind in (("mask", "inpaint"), ("box", "inpaint"), ("factor", "upscale"), ("subject_mask", "upscale")):
            if getattr(self, name) not in (None, ()) and kind not in self.kind:
                raise InputError(f"{name} is about {kind}: leave it out, or add {kind} to the kind")
        if "inpaint" in self.kind and (self.mask is None) == (not self.box):
            raise InputError("what is missing? Give either a mask (centre, a picture or a folder of them), or a box")
        if self.box and len(self.box) != 4:
            raise InputError(f"a box has 4 numbers, x,y,width,height in shares of the side, not {len(self.box)}")
        if not 0 < self.share < 1:
            raise InputError(f"share must be between 0 and 1, not {self.share:g}")
        if self.feather < 0:
            raise InputError(f"feather must be at least 0 pixels, not {self.feather}")
        if self.factor is not None and self.factor < 2:
            raise InputError(f"factor must be at least 2, not {self.factor}")
        if self.memory is not None and not self.memory > 0:
            raise InputError(f"memory must be above 0 GiB, not {self.memory:g}")
        self.placement()  # what it cannot be is said before any work

    def placement(self) -> Placement:
        """How the photos are placed."""
        own = {field.name for field in fields(self)} & {field.name for field in fields(Placement)}
        stated = {name: getattr(self, name) for name in own if getattr(self, name) is not None}
        return replace(PLACEMENTS[self.protocol], **stated)

    def coarse_side(self, side: int) -> int:
        """The side of photos that come out at `side`; raises InputError where the factor does not divide it."""
        factor = max(side // COARSE_SIDE, 2) if self.factor is None else self.factor
        if side % factor or side == factor:
            raise InputError(f"the generator's side of {side} cannot be divided by {factor}: give another factor")
        return side // factor


def photo_side(settings: Restoration, side: int) -> int:
    """The side at which the photos are wanted, for a generator whose own is `side`."""
    return settings.coarse_side(side) if "upscale" in settings.kind and not settings.whole else side


def damage_of(settings: Restoration, names: Sequence[str], side: int, *, device: torch.device | str = "cpu") -> Damage:
    """The damage of the photos `names`, which come out at `side`.

    Raises InputError for a mask that does not fit, is empty, or leaves nothing of a photo.
    """
    damages: list[Damage] = []
    if "inpaint" in settings.kind:
        missing = _missing(settings, names, side)
        if "upscale" in settings.kind:  # a pixel of the small photo that is missing in part tells nothing
            factor = side // settings.coarse_side(side)
            missing = in_blocks(F.max_pool2d(missing.float(), factor), side) > 0
        for name, one in zip(names if len(missing) > 1 else ["any photo"], missing, strict=True):
            if not one.any() or one.all():
                what = "leaves nothing" if one.any() else "marks nothing"
                raise InputError(f"the mask {what} of {name}: paint white what is missing, and all else black")
        damages.append(Hole(missing.to(device), settings.feather))
    if "colour" in settings.kind:
        damages.append(Grey(settings.keep_luminance))
    if "upscale" in settings.kind:
        subject = None
        if settings.subject_mask is not None:
            subject = read_masks(settings.subject_mask, names, side=side, fit=settings.fit_mask).to(device)
        damages.append(Coarse(settings.coarse_side(side), subject))
    return damages[0] if len(damages) == 1 else Together(tuple(damages))


def _missing(settings: Restoration, names: Sequence[str], side: int) -> Tensor:
    """Where pixels are missing, [N, 1, R, R] or [1, 1, R, R]."""
    if settings.box:
        return box_hole(side, settings.box)
    if settings.mask == "centre":
        return square_hole(side, settings.share)
    return read_masks(Path(str(settings.mask)), names, side=side, fit=settings.fit_mask) > 0
