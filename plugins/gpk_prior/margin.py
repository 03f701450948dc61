"""How the judge of identity is trained: a margin between classes, and twins' centres.

As in ArcFace (Deng et al., 2019, arXiv 1801.07698, Eq. 3) every individual is a class with a centre, cosines of
features and centres are the logits, and the angle to one's own centre counts as m larger than it is, so that classes
must lie an angle apart:

    L = - mean over photos of log [ exp(s cos(a_y + m)) / (exp(s cos(a_y + m)) + sum over the others exp(s cos(a_j))) ]

with a_j the angle between the photo's feature and the centre of class j, y the photo's own class. Twins, one cat with
and without a trait, are classes of their own: or no judge would ever see that a personalized model lost the odd eye.
With a few photos a class, thousands of free centres hardly leave their random places; a twin's centre is therefore its
cat's, moved by what each trait adds for every cat alike.

Shapes: B batch, F features, K classes, V sets of traits.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gpk_minicat.identity import FEATURES
from gpk_minicat.traits import ALL_TRAITS
from gpk_prior.individuals import SETS


class Centres(nn.Module):
    """The centres of the classes: `cats` individuals and all their twins, V for each, in the order of `SETS`."""

    on: Tensor

    def __init__(self, cats: int) -> None:
        super().__init__()
        # Short, so that an optimizer's small steps turn them.
        self.cats = nn.Parameter(0.1 * torch.randn(cats, FEATURES))
        self.traits = nn.Parameter(0.1 * torch.randn(len(ALL_TRAITS), FEATURES))
        on = [[float(trait in some) for trait in ALL_TRAITS] for some in SETS]
        self.register_buffer("on", torch.tensor(on), persistent=False)

    def forward(self) -> Tensor:
        """The centres [K, F], of any length."""
        return (self.cats[:, None] + self.on @ self.traits).flatten(0, 1)


def margin_loss(features: Tensor, centres: Tensor, who: Tensor, *, scale: float = 24.0, margin: float = 0.4) -> Tensor:
    """ArcFace's loss, a scalar, of unit features [B, F] of the classes `who` [B] with centres [K, F] of any length.

    Where a_y + m would pass a half turn, the cosine would rise again; there its slope is kept (the paper's own
    code does the like).
    """
    cosine = features @ F.normalize(centres, dim=1).mT
    own = cosine.gather(1, who[:, None])
    sine = (1 - own.square()).clamp_min(1e-6).sqrt()
    further = own * math.cos(margin) - sine * math.sin(margin)
    further = torch.where(own > -math.cos(margin), further, own - margin * math.sin(margin))
    return F.cross_entropy(scale * cosine.scatter(1, who[:, None], further), who)
