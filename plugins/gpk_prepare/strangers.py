"""Strangers to compare with: random subjects of the generator, from random views, as the judge sees them.

Shapes: M strangers, F features.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from gpk.generator import Generator
from gpk.logger import Logger
from gpk.seeding import seeded

COUNT = 32
"""Strangers, and so 496 pairs: enough for the likeness that one in a hundred of them reaches."""
STAGE = "strangers to compare with"
YAW, PITCH = 0.5, 0.2
"""Radians off the front within which they are seen."""


def random_subjects(
    generator: Generator, judge: nn.Module, logger: Logger, *, known: Tensor | None = None, count: int = COUNT
) -> Iterator[Tensor]:
    """The features [M, F] of random subjects, M from 1 to `count`: each time one more, and always the same ones.

    `known` are the first of them, from a drawing that was stopped; nothing is given where they are all there.
    """
    features = [] if known is None else list(known)
    if len(features) < count:
        logger.progress(STAGE, len(features), count, {})
    for index in range(len(features), count):
        features.append(_stranger(generator, judge, index))
        yield torch.stack(features)
        logger.progress(STAGE, index + 1, count, {})


@torch.no_grad()
def _stranger(generator: Generator, judge: nn.Module, index: int) -> Tensor:
    """The features [F] of the random subject of this number."""
    like = next(generator.parameters())
    rng = seeded(0, "stranger", index)
    z = torch.randn(1, generator.latent.z_dim, generator=rng).to(like.device)
    yaw, pitch = ((torch.rand(2, generator=rng) * 2 - 1) * torch.tensor([YAW, PITCH])).tolist()
    frontal, camera = generator.frontal(), generator.orbit(yaw, pitch)
    w = generator.mapping(z, None if frontal is None else frontal.to(like.device))
    image = generator(w, None if camera is None else camera.to(like.device)).image
    return judge(image.float())[0].float().cpu()
