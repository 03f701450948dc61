"""How much a turntable flickers, by the samples along its rays: run it with the folder of a finished personalization.

The camera goes the way of `gpk render`. Measured are the change from frame to frame, the second difference
|f(t-1) - 2 f(t) + f(t+1)|, which has the motion's own acceleration in it, and the shimmer: how much the error against
16 times as many samples changes from frame to frame, which has no motion in it. They are means over pixels, of 1
between black and white, before rounding to 8 bits. The last rows draw their samples at random in every frame, as
training does.

    python benchmarks/flicker.py RUN [--anchor 0] [--frames 96] [--turn 0.35] [--nod 0.12]

It prints a table in Markdown.

Shapes: F frames, L latent layers, D latent width, R image side.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from torch import Tensor

from gpk.attach import attached
from gpk.camera import Camera
from gpk.generator import Generator
from gpk.latents import anchors_as_ws
from gpk.precision import flush_denormals
from gpk.registry import Registry
from gpk_checkpoints.personas import load_persona
from gpk_checkpoints.weights import load_generator
from gpk_cli.subject import made_for, persona_file
from gpk_tasks.motion import figures_of_loop, turntable

TRUTH = 16
"""Times as many samples as the generator's own, beyond which nothing changes."""
MOTION, SHIMMER = ("change", "flicker", "largest flicker"), ("change", "largest change")
"""What the table has of the frames, and of their error: see `figures_of_loop`."""


@torch.no_grad()
def main() -> None:
    """Prints a table in Markdown."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("run", type=Path)
    options.add_argument("--anchor", type=int, default=0)
    options.add_argument("--frames", type=int, default=96)
    options.add_argument("--turn", type=float, default=0.35)
    options.add_argument("--nod", type=float, default=0.12)
    given = options.parse_args()
    flush_denormals()
    file = persona_file(given.run)
    persona = load_persona(file)
    generator = load_generator(*made_for(Registry.discover(), persona, file), None, device=torch.device("cpu"))
    w = anchors_as_ws(persona.anchors, generator.latent.num_ws)[given.anchor, None]
    cameras = generator.orbit(*turntable(given.frames, turn=given.turn, nod=given.nod))
    assert cameras is not None
    with attached(generator, persona):
        truth, _ = filmed(generator, w, cameras, times=TRUTH)
        print("| samples | s a frame | change | second difference, mean | largest | shimmer, mean | largest |")
        print("|---" * 7 + "|")
        for times, seed in ((1, None), (2, None), (4, None), (TRUTH, None), (1, 0), (2, 0)):
            rng = None if seed is None else torch.Generator().manual_seed(seed)
            frames, seconds = filmed(generator, w, cameras, times=times, rng=rng)
            moves, errs = figures_of_loop(frames), figures_of_loop(frames - truth)
            cells = (*(moves[name] for name in MOTION), *(errs[name] for name in SHIMMER))
            name = f"{times}{'' if rng is None else ', at random'}"
            print(f"| {name} | {seconds:.3f} | {' | '.join(f'{cell:.5f}' for cell in cells)} |", flush=True)


def filmed(
    generator: Generator, w: Tensor, cameras: Camera, *, times: int, rng: torch.Generator | None = None
) -> tuple[Tensor, float]:
    """The frames [F, 3, R, R] of w [1, L, D], with `times` as many samples as usual along each ray, and the seconds of
    a core that each took. With `rng` the samples are drawn at random in every frame.
    """
    begin = time.process_time()
    with generator.finer(times):
        if rng is None:
            images = [render.image for render in generator.views(w, cameras)]
        else:
            images = [generator(w, cameras[index], rng=rng).image for index in range(len(cameras))]
    return torch.cat(images).clamp(-1, 1), (time.process_time() - begin) / len(cameras)


if __name__ == "__main__":
    main()
