r"""New photos into codes of a generator as it is: in W or W+ as an anchor is found (`gpk_tasks.personalize.inversion`),
or in the subject's hull (`gpk_tasks.placement`).

The further from the hull, the nearer to the photo, and the less the subject's own.

Shapes: N photos, M anchors, L latent layers, D latent width.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from gpk.album import Album
from gpk.context import Context
from gpk.errors import InputError, RecipeError
from gpk.latents import anchors_as_ws
from gpk_tasks.descent import State, Tick, frozen
from gpk_tasks.invert.settings import Location
from gpk_tasks.personalize.inversion import find_codes
from gpk_tasks.placement import place


def locate(
    context: Context,
    anchors: Tensor | None,
    album: Album,
    settings: Location,
    *,
    start: State | None = None,
    tick: Tick = lambda state: None,
) -> dict[str, Tensor]:
    """Codes `w` [N, L, D] of the album's photos for the generator as it is now; from the hull of `anchors` also their
    coordinates `alpha` [N, M] and `offsets` [N, L, D].

    `tick` and `start` are as `place` has them. Raises InputError for the hull of no anchors, RecipeError where the
    descent diverges.
    """
    space = settings.space or ("w" if anchors is None else "hull")
    if space != "hull":
        there, s = dataclasses.replace(context, album=album), settings
        with frozen(context.generator):
            w = find_codes(there, s.inversion(space), seed=s.seed, memory=s.memory, start=start, tick=tick)
        codes = {"w": anchors_as_ws(w, context.generator.latent.num_ws).contiguous()}
    elif anchors is None:
        raise InputError("there is no hull without a subject: give a persona, or --space w")
    else:
        s = settings.placement()
        codes = place(context, anchors, album, s, memory=settings.memory, start=start, tick=tick)._asdict()
    if not all(torch.isfinite(code).all() for code in codes.values()):
        raise RecipeError("the codes diverged: numbers that are not finite. Try a lower --lr, and another --out")
    return codes
