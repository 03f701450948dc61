r"""Who an album is about: the identity that most of its photos show, and which faces are somebody else's.

A judge maps a picture to a unit feature f, and cosines tell likeness. The photo with the most others near it starts the
album's core; the core's mean direction c is the identity, and a face's likeness is c·f. What is near is the judge's own
affair, so it is asked: strangers are drawn from the generator, random subjects from random views, and a likeness that
one in a hundred of them reaches is no likeness. More than chance is asked where the album itself falls into two parts
(Otsu, 1979) that lie far apart: half the way from chance to what is usual in it, at most. Where there is no generator
to draw from, the two parts alone decide.

Shapes: N faces, M strangers, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

CHANCE = 0.01
"""The share of strangers that would pass: at 500 photos, a handful, which the contact sheet shows."""
ROUNDS = 3
"""Of core and centre, each from the other; they stand still after two."""
APART = 4.0
"""How many standard deviations part two groups that are believed without strangers to compare with: two parts of one
bell curve are 2.6 apart (means at +-0.8 deviations, deviations of 0.6)."""
GAP = 0.25
"""Cosines by which their means differ too, or a single odd photo of a very even album would be a group."""
FEWEST = 3
"""Photos below which nobody is in the majority."""


@dataclass(frozen=True)
class Identity:
    """The album's identity: `centre` [F], unit; the likeness `least` below which a face is another's, None where the
    judge cannot tell.
    """

    centre: Tensor
    least: float | None

    def likeness(self, features: Tensor) -> Tensor:
        """The likeness [N] of features [N, F], cosines."""
        return features @ self.centre


def main_identity(features: Tensor, photos: Sequence[int], strangers: Tensor | None = None) -> Identity | None:
    """The identity that most photos show, of faces with unit features [N, F] in the photos of these numbers.

    `strangers` are features [M, F] of random subjects. None below FEWEST photos.
    """
    if len(set(photos)) < FEWEST:
        return None
    cosines = features @ features.T
    if strangers is not None:
        near = _reached(_pairs(strangers @ strangers.T))
    else:
        parted = _split(_pairs(cosines))
        near = -1.0 if parted is None else parted
    number = torch.tensor(list(photos))
    # Photos count, not faces: a crowd in one photo is nobody's majority.
    votes = [len(set(number[row >= near].tolist())) for row in cosines]
    support = torch.tensor(votes) + cosines.mean(1)  # among equals the most central
    core = cosines[int(support.argmax())] >= near
    least: float | None = None
    for _ in range(ROUNDS):
        centre = F.normalize(features[core].mean(0), dim=0)
        likeness = features @ centre
        least = _split(likeness)
        if strangers is not None:
            chance, usual = _reached(strangers @ centre), likeness[core].median().item()
            least = chance if least is None else max(chance, min(least, (chance + usual) / 2))
        core = core if least is None else likeness >= least
        if not core.any():
            return None
    return Identity(F.normalize(features[core].mean(0), dim=0), least)


def _pairs(cosines: Tensor) -> Tensor:
    """Each pair of [N, N] once, and nobody with himself."""
    return cosines[torch.ones_like(cosines).triu(1) > 0]


def _reached(likeness: Tensor) -> float:
    """What CHANCE of these likenesses reach."""
    return torch.quantile(likeness.float(), 1 - CHANCE).item()


def _split(values: Tensor) -> float | None:
    """The value between two groups [n] that parts them best; None where they do not lie far enough apart."""
    ordered = values.double().sort().values
    if len(ordered) < 2:
        return None
    sums, squares = ordered.cumsum(0), ordered.square().cumsum(0)
    low = torch.arange(1, len(ordered), dtype=torch.float64)
    high = len(ordered) - low
    gap = (sums[-1] - sums[:-1]) / high - sums[:-1] / low
    between = low * high / len(ordered) * gap.square()
    best = int(between.argmax())
    within = (squares[-1] - sums[-1].square() / len(ordered) - between[best]).clamp_min(0) / len(ordered)
    apart = gap[best] / within.sqrt().clamp_min(1e-6)
    return (ordered[best] + ordered[best + 1]).item() / 2 if apart >= APART and gap[best] >= GAP else None
