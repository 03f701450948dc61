"""What the viewer does for one picture of eg3d-minicat, from a look to the JPEG: milliseconds of one core, and memory.

Run it without arguments: it prints a table in Markdown.
"""

from __future__ import annotations

import io
import resource
import sys
import time
from collections.abc import Callable, Mapping

import torch
from PIL import Image

from gpk.generator import fingerprint
from gpk.logger import NullLogger
from gpk.persona import Origin, Persona
from gpk.recipe import Recipe
from gpk.registry import Registry
from gpk.seeding import seeded
from gpk_cli.context import make_context
from gpk_view.camera import Angles
from gpk_view.frame import frame
from gpk_view.panel import QUALITY
from gpk_view.scene import Look, Stage

WINDOW = (956, 800)
"""Pixels beside the panel on a screen of 1280 by 800."""
TIMES = 12
"""Pictures that are measured of each look."""

LOOKS: Mapping[str, Callable[[float], Look]] = {
    "turning": lambda t: Look("cat", angles=Angles(t - 0.5)),
    "turning, side by side": lambda t: Look("cat", angles=Angles(t - 0.5), shown="both"),
    "mixing": lambda t: Look("cat", mix=((0, 1 - t), (1, t))),
}


def main() -> None:
    """Prints a table in Markdown."""
    torch.set_num_threads(1)
    stage = staged()
    print("| | ms of a core | a second |\n|---|---|---|")
    for name, look in LOOKS.items():
        milliseconds = [cost(stage, look(i / TIMES)) for i in range(TIMES + 1)][1:]
        median = sorted(milliseconds)[TIMES // 2]
        print(f"| {name} | {median:.0f} | {1000 / median:.0f} |")
    scale = 2**20 if sys.platform == "darwin" else 2**10
    print(f"\n{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale:.0f} MiB at most")


def staged() -> Stage:
    """The embedded prior with a persona of twelve anchors."""
    registry = Registry.discover()
    backend = registry.backend("eg3d-minicat")
    context = make_context(registry, backend, backend.card, None, weights=None, device="cpu", logger=NullLogger())
    generator = context.generator
    anchors = generator.mapping(torch.randn(12, generator.latent.z_dim, generator=seeded(0)))[:, 0]
    origin = Origin(backend.name, backend.card.name, fingerprint(generator))
    return Stage(context, {"cat": Persona.create(generator, Recipe(), origin=origin, anchors=anchors)})


def cost(stage: Stage, look: Look) -> float:
    """Milliseconds of this thread."""
    begun = time.thread_time()
    shown = frame(stage.pictures(look), *WINDOW)
    Image.fromarray(shown.numpy()).save(io.BytesIO(), "JPEG", quality=QUALITY)
    return 1000 * (time.thread_time() - begun)


if __name__ == "__main__":
    main()
