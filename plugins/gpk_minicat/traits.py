"""Individuals: one identity drawn from the prior, with traits that the prior has not, in photos that differ.

What makes personalization worth its name is what the pretrained model cannot draw. Three traits do that, none of them
symmetrical: a patch of the opposite tone around the cat's right eye, a left eye of another colour, and a left ear
with its tip torn off.

Shapes: P parameters, N photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from gpk.errors import UnknownNameError
from gpk_minicat.parameters import IDENTITY, NAMES, PRIOR, from_noise

Trait = Literal["eye-patch", "odd-eyes", "torn-ear"]
ALL_TRAITS: tuple[Trait, ...] = get_args(Trait)


def individual(rng: torch.Generator, traits: Sequence[Trait] = ()) -> Tensor:
    """One identity [1, P] drawn from the prior, its traits switched on; its photo parameters are the middle of their
    ranges.

    Raises UnknownNameError for a trait that no cat has.
    """
    z = torch.randn(1, len(PRIOR), generator=rng)
    z[:, len(IDENTITY) :] = 0
    return with_traits(from_noise(z), traits)


def with_traits(params: Tensor, traits: Sequence[Trait]) -> Tensor:
    """The same cats [N, P] with the traits switched fully on, and nothing else changed."""
    params = params.clone()
    for trait in traits:
        if trait not in ALL_TRAITS:
            raise UnknownNameError("trait", trait, ALL_TRAITS)
        params[:, NAMES.index(trait.replace("-", "_"))] = 1.0
    return params


def photos_of(cat: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """The parameters [N, P] of `count` photos of one cat [1, P]: new light, expression and background, the same
    identity.
    """
    fresh = from_noise(torch.randn(count, len(PRIOR), generator=rng))
    photo = slice(len(IDENTITY), len(PRIOR))
    photos = cat.expand(count, -1).clone()
    photos[:, photo] = fresh[:, photo]
    return photos
