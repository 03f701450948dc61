"""Strangers to compare with: random subjects of the generator, from random views, as the judge sees them.

Shapes: M strangers, F features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from corekit.bench import Journal
from corekit.generator import Generator
from corekit.order import seeded

COUNT = 32
"""Strangers, and so 496 pairs: enough for the likeness that one in a hundred of them reaches."""
YAW, PITCH = 0.5, 0.2
"""Views within which they look out of the picture."""


@torch.no_grad()
def random_subjects(generator: Generator, judge: nn.Module, journal: Journal, *, count: int = COUNT) -> Tensor:
    """The features [count, F] of random subjects; always the same ones."""
    like = next(generator.parameters())
    features = []
    for index in range(count):
        rng = seeded(0, "stranger", index)
        z = torch.randn(1, generator.latent.z_dim, generator=rng).to(like.device)
        yaw, pitch = ((torch.rand(2, generator=rng) * 2 - 1) * torch.tensor([YAW, PITCH])).tolist()
        frontal, camera = generator.frontal(), generator.orbit(yaw, pitch)
        w = generator.mapping(z, None if frontal is None else frontal.to(like.device))
        image = generator(w, None if camera is None else camera.to(like.device)).image
        features.append(judge(image.float())[0].float().cpu())
        journal.progress("strangers to compare with", index + 1, count, {})
    return torch.stack(features)
