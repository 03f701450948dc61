"""The numbers that describe a procedural cat, their ranges, and the fixed map from Gaussian noise to them.

A cat is one row of P named numbers. The first Z of them span the *prior*: identity first, then what differs from one
photo of an individual to the next. The last ones are *traits*: they are zero for every cat of the prior, and an
individual that has one lies outside of it, which is what makes personalization worth measuring.

StyleGAN's mapping network sees only the direction of its noise, so z is brought to unit mean square first. Then z,
nearly N(0, 1) still, becomes a parameter through u = Phi(z), the normal distribution function, and a ramp: p = lo +
(hi - lo) ramp(u). Markings use a ramp that stays at zero for part of the cats, so that some have no blaze at all and
others a full one.

Shapes: B batch, Z prior parameters, P all parameters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor


@dataclass(frozen=True)
class Parameter:
    """One number of a cat: where it comes from, its range, and the part of the cats (0 to 1) that have none of it."""

    name: str
    kind: Literal["identity", "photo", "trait"]
    low: float = 0.0
    high: float = 1.0
    absent: float = 0.0


PARAMETERS = (
    Parameter("head_width", "identity", 0.90, 1.12),
    Parameter("ear_height", "identity", 0.15, 0.26),
    Parameter("ear_spread", "identity", 0.80, 1.10),
    Parameter("eye_size", "identity", 0.074, 0.102),
    Parameter("eye_colour", "identity"),
    Parameter("muzzle", "identity", -0.010, 0.045),
    Parameter("fur_light", "identity"),
    Parameter("fur_tint", "identity"),
    Parameter("stripes", "identity", absent=0.45),
    Parameter("blaze", "identity", absent=0.50),
    Parameter("white_muzzle", "identity", absent=0.40),
    Parameter("points", "identity", absent=0.55),
    Parameter("nose", "identity"),
    Parameter("light", "photo", -1.0, 1.0),
    Parameter("openness", "photo", 0.55, 1.0),
    Parameter("smile", "photo", absent=0.40),
    Parameter("red", "photo", 0.25, 0.85),
    Parameter("green", "photo", 0.25, 0.85),
    Parameter("blue", "photo", 0.25, 0.85),
    Parameter("warmth", "photo", -1.0, 1.0),
    Parameter("eye_patch", "trait"),
    Parameter("odd_eyes", "trait"),
    Parameter("torn_ear", "trait"),
)
NAMES = tuple(parameter.name for parameter in PARAMETERS)
IDENTITY = tuple(parameter.name for parameter in PARAMETERS if parameter.kind == "identity")
PHOTO = tuple(parameter.name for parameter in PARAMETERS if parameter.kind == "photo")
TRAITS = tuple(parameter.name for parameter in PARAMETERS if parameter.kind == "trait")
PRIOR = IDENTITY + PHOTO


def columns(params: Tensor) -> dict[str, Tensor]:
    """The parameters [B, P] by name, each [B, 1], so that they broadcast over a cat's points."""
    return {name: params[:, i, None] for i, name in enumerate(NAMES)}


def from_noise(z: Tensor) -> Tensor:
    """The cats [B, P] of standard normal noise z [B, Z]; every trait is off, and the length of z does not matter.

    >>> from_noise(torch.zeros(1, len(PRIOR)))[0, NAMES.index("light")].item()  # the middle of [-1, 1]
    0.0
    """
    if z.shape[1] != len(PRIOR):
        raise ValueError(f"the cats' noise has {len(PRIOR)} numbers, not {z.shape[1]}")
    z = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
    u = 0.5 * (1 + torch.erf(z / math.sqrt(2)))
    prior = [p for p in PARAMETERS if p.kind != "trait"]
    low, high, absent = (u.new_tensor([getattr(p, key) for p in prior]) for key in ("low", "high", "absent"))
    # A marking is off below `absent` and complete well before u = 1: half-hearted markings are the exception.
    marking = ((u - absent) / (0.6 * (1 - absent))).clamp(0, 1)
    ramp = torch.where(absent > 0, marking, u)
    return torch.nn.functional.pad(low + (high - low) * ramp, (0, len(TRAITS)))
