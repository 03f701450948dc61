r"""Adam's rates for what a persona changes: a kind of change has one, in units of the weights that it changes.

Adam moves every number by about its rate, whatever the gradient's size (Kingma and Ba, 2014, arXiv 1412.6980), so
that a rate is a share of a weight only where that is of unit size. Networks with equalised learning rates store such
weights (Karras et al., 2017, arXiv 1710.10196, section 4.1). A DCGAN's are around 0.05, and a rate for unit weights
tears them apart within twenty steps. LoRA's A is of unit size everywhere, so it is B's rate that takes the weight's.
"""

from __future__ import annotations

import math

from torch import Tensor

from gpk.generator import Generator, Kind, Site
from gpk.lowrank import LoRA, Offset
from gpk.persona import Persona

UNSIZED = frozenset[Kind]({"bias", "noise", "const"})
"""Kinds whose numbers say nothing of what they work on: a bias near zero belongs to activations of any size."""


def size_of(weight: Tensor) -> float:
    """The root mean square of a weight to the nearest power of four: a rate need not be exact, and what is of about
    unit size has exactly that.

    >>> import torch
    >>> [size_of(torch.full((3, 3), value)) for value in (1.2, 0.6, 0.3, 0.05, 0.0)]
    [1.0, 1.0, 0.25, 0.0625, 1.0]
    """
    rms = weight.float().square().mean().sqrt().item()
    return 4.0 ** round(math.log(rms, 4)) if rms > 0 and math.isfinite(rms) else 1.0


def groups(
    generator: Generator, persona: Persona, *, lora: float, offset: float, decoder: float, ratio: float = 1.0
) -> list[tuple[list[Tensor], float]]:
    """The persona's numbers with their rates: `lora` of LoRA, times `ratio` for B, `offset` of offsets, `decoder` of
    the decoder's. The persona must not be attached yet, for the weights are looked at.
    """
    by_rate: dict[float, list[Tensor]] = {}
    for site in generator.sites():
        match persona.changes.get(site.key):
            case LoRA() as change:
                by_rate.setdefault(lora, []).append(change.A)
                by_rate.setdefault(lora * ratio * _size(generator, site), []).append(change.B)
            case Offset() as change:
                rate = decoder if site.part == "decoder" else offset
                by_rate.setdefault(rate * _size(generator, site), []).append(change.D)
    return [(tensors, rate) for rate, tensors in by_rate.items()]


def _size(generator: Generator, site: Site) -> float:
    return 1.0 if site.kind in UNSIZED else size_of(generator.weight(site))
