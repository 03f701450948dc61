r"""How long the cameras of an album will take, told before they are looked for: hours, where there are hundreds.

    seconds = t * (views of both searches + photos * descents * steps * STEP)

with t the seconds of one render. It is a guess, within a factor of two: what networks that look at the pictures take
comes on top, and from photos of which two places are likely both are followed.
"""

from __future__ import annotations

import time

import torch

from gpk.generator import Generator
from gpk.seeding import seeded
from gpk_tasks.pose.settings import Posing

STEP = 3.0
"""Renders that a step of a descent takes, there, back, and what looks at the picture: 2.5 to 3.4 on minicat."""
DESCENTS = 2
"""Of a photo: alone, and around the album's subject."""
LONG = 1.0
"""Seconds: a render that took longer is not repeated to be sure of it."""


def seconds_of_posing(generator: Generator, photos: int, settings: Posing) -> float:
    """Seconds that the cameras of so many photos will take on the generator's device."""
    s = settings
    views = s.codes * s.columns * s.rows + (2 * s.columns - 1) * (2 * s.rows - 1)
    return seconds_of_render(generator) * (views + photos * s.hypotheses * DESCENTS * s.steps * STEP)


@torch.no_grad()
def seconds_of_render(generator: Generator) -> float:
    """Seconds of one picture; of three the quickest, unless they take longer than LONG."""
    like = next(generator.parameters())
    z = torch.randn(1, generator.latent.z_dim, generator=seeded(0, "forecast")).to(like.device)
    frontal = generator.frontal()
    camera = None if frontal is None else frontal.to(like.device)
    w = generator.mapping(z, camera)
    took: list[float] = []
    while len(took) < 3 and (not took or took[-1] < LONG):
        began = time.perf_counter()
        generator(w, camera).image.sum().item()  # a device answers when it is done
        took.append(time.perf_counter() - began)
    return min(took)
