"""A judge of identity for procedural cats: which individual is this, whatever the view, the light, the mood and the
background?

A convolutional network of its own maps a picture to a unit vector. How it was trained is in `gpk_prior.margin`.

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


def load_identity(weights: Path | None = None) -> Identity:
    """The judge with its trained weights (the bundled ones where None), frozen and ready to use."""
    tensors, _ = load_tensors(WEIGHTS if weights is None else weights)
    identity = Identity()
    identity.load_state_dict({key: value.float() for key, value in tensors.items()})
    return identity.requires_grad_(False).eval()
