"""A judge of identity for procedural cats: which individual is this, whatever the view, the light, the mood and the
background?

A convolutional network of its own maps a picture to a unit vector; vectors of one individual are to agree. Trained by
the contrast of photos within a batch (supervised contrastive loss, Khosla et al., 2020, arXiv 2004.11362):

    L_i = - mean over photos p of the same cat of log [ exp(f_i f_p / t) / sum over all others a of exp(f_i f_a / t) ]

Shapes: B batch, R image side, F features.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gpk_minicat.convnet import ConvNet
from gpk_minicat.store import load_tensors

WEIGHTS = Path(__file__).parent / "weights" / "minicat-identity.safetensors"
FEATURES = 64


class Identity(nn.Module):
    """Pictures [B, 3, R, R] in [-1, 1] to unit features [B, F]; their products are cosines of identity."""

    def __init__(self) -> None:
        super().__init__()
        self.features = ConvNet((16, 32, 64, 128, 192), convolutions=(1, 2, 2, 1, 1), normalised=True)
        self.head = nn.Linear(192 * 16, FEATURES, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        """The features [B, F]."""
        return F.normalize(self.head(self.features(image)[-1].flatten(1)), dim=1)


def contrast(features: Tensor, who: Tensor, *, temperature: float = 0.1) -> Tensor:
    """The supervised contrastive loss of unit features [B, F] of the individuals `who` [B]; every one must appear
    twice or more.
    """
    itself = torch.eye(len(who), dtype=torch.bool, device=features.device)
    logits = (features @ features.T / temperature).masked_fill(itself, float("-inf"))
    same = (who[:, None] == who) & ~itself
    log = logits.log_softmax(1).masked_fill(~same, 0.0)
    return -(log.sum(1) / same.sum(1)).mean()


def load_identity(weights: Path | None = None) -> Identity:
    """The judge with its trained weights (the bundled ones where None), frozen and ready to use."""
    tensors, _ = load_tensors(WEIGHTS if weights is None else weights)
    identity = Identity()
    identity.load_state_dict({key: value.float() for key, value in tensors.items()})
    return identity.requires_grad_(False).eval()
