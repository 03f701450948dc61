"""A judge of identity for procedural cats: which individual is this, whatever the view, the light, the mood and the
background?

A convolutional network of its own maps a picture to a unit vector. It is trained as ArcFace is (Deng et al., 2019,
arXiv 1801.07698, Eq. 3): every individual is a class with a centre, cosines of features and centres are the logits,
and the angle to one's own centre counts as m larger than it is, so that classes must lie an angle apart:

    L = - mean over photos of log [ exp(s cos(a_y + m)) / (exp(s cos(a_y + m)) + sum over the others exp(s cos(a_j))) ]

with a_j the angle between the photo's feature and the centre of class j, y the photo's own class. Twins, one cat with
and without a trait, are classes of their own: or no judge would ever see that a personalized model lost the odd eye.
With a few photos a class, thousands of free centres hardly leave their random places; a twin's centre is therefore its
cat's, moved by what each trait adds for every cat alike.

Shapes: B batch, R image side, F features, K classes, V sets of traits.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gpk_minicat.convnet import ConvNet
from gpk_minicat.individuals import SETS
from gpk_minicat.store import load_tensors
from gpk_minicat.traits import ALL_TRAITS

WEIGHTS = Path(__file__).parent / "weights" / "minicat-identity.safetensors"
FEATURES = 64


class Identity(nn.Module):
    """Pictures [B, 3, R, R] in [-1, 1] to unit features [B, F]; their products are cosines of identity."""

    def __init__(self, *, normalised: bool = False) -> None:
        super().__init__()
        self.features = ConvNet((16, 32, 64, 128, 160), convolutions=(1, 2, 2, 1, 1), normalised=normalised)
        self.squeeze = nn.Conv2d(128, 32, 1)  # eyes are seen at 8 x 8 places and lost at 4 x 4
        self.head = nn.Linear(32 * 64 + 160 * 16, FEATURES, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        """The features [B, F]."""
        fine, coarse = self.features(image)[-2:]
        seen = torch.cat([F.relu(self.squeeze(fine)).flatten(1), coarse.flatten(1)], 1)
        return F.normalize(self.head(seen), dim=1)


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


def load_identity(weights: Path | None = None) -> Identity:
    """The judge with its trained weights (the bundled ones where None), frozen and ready to use."""
    tensors, _ = load_tensors(WEIGHTS if weights is None else weights)
    identity = Identity()
    identity.load_state_dict({key: value.float() for key, value in tensors.items()})
    return identity.requires_grad_(False).eval()
