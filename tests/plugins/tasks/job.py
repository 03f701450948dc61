"""A small real job, as a process of its own.

`python job.py --each` reads lines "STOP_AFTER RUN" and does each in a process of its own, forked where all is imported
and nothing is done; it prints each one's exit code. Where STOP_AFTER is above 0, it kills itself after that many steps,
as `kill -9` would. `python job.py RUN --long` has ten times the steps, and prints "ready" before the work, "begun" at
its first step, and "tuned" where all that is left is to save and to report. `python job.py RUN [STOP_AFTER]
--given=ANCHORS` does not invert.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path

import torch

import gpk_tasks.personalize.personalize as job
from gpk.album import Album
from gpk.context import Context
from gpk.generator import Generator
from gpk.plugin import Backend, Card
from gpk.recipe import RELEASE_PARTS, Recipe
from gpk.seeding import seeded
from gpk_eg3d.config import EG3DConfig
from gpk_eg3d.network import EG3D
from gpk_runs.run import Run
from gpk_tasks import keeping
from gpk_tasks.personalize.anchors import given_anchors
from gpk_tasks.personalize.settings import Inversion, Settings, Tuning

CONFIG = EG3DConfig(
    z_dim=12,
    w_dim=16,
    img_resolution=32,
    plane_resolution=16,
    plane_channels=4,
    channel_base=128,
    channel_max=12,
    decoder_hidden=8,
    decoder_features=8,
    neural_rendering_resolution=8,
    depth_resolution=6,
    depth_resolution_importance=6,
    sr_input_resolution=8,
    sr_channels=(8, 6),
)
SETTINGS = Settings(
    recipe=Recipe(rank=1, parts={**RELEASE_PARTS, "decoder": "whole"}),
    inversion=Inversion(steps=6, batch=3, noise="regularised", whiten=True, cohesion=0.01),
    tuning=Tuning(steps=8, batch=2, lr=0.01, lr_ratio=2.0, lr_anchors=0.01, decay=0.5),
)

LONG = dataclasses.replace(
    SETTINGS,
    inversion=dataclasses.replace(SETTINGS.inversion, steps=60),
    tuning=dataclasses.replace(SETTINGS.tuning, steps=80),
)


def distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference [B]: a true distance, if not a perceptual one."""
    return (a - b).abs().mean((1, 2, 3))


def small_context() -> Context:
    """An EG3D of random weights and an album of four of another one's pictures."""
    torch.manual_seed(1)
    generator, other = EG3D(CONFIG).eval().requires_grad_(False), EG3D(CONFIG).eval().requires_grad_(False)
    cameras = generator.orbit(torch.linspace(-0.4, 0.4, 4), 0.1)
    w = other.mapping(torch.randn(4, 12, generator=seeded(0)))
    photos = other(w, cameras).image.clamp(-1, 1)
    album = Album(photos, tuple(f"{i}.png" for i in range(4)), cameras)
    card = Card("small", "A small EG3D", "none")
    return Context(Backend("small", "Small", (card,), build), card, generator, distance, album, Shown())


def build(config: Mapping[str, object]) -> Generator:
    """The small EG3D."""
    return EG3D(CONFIG)


class Shown:
    """A logger that counts steps, and ends the process at one of them."""

    def __init__(self, stop_after: int | None = None, *, telling: bool = False) -> None:
        self.steps = 0
        self.stop_after = stop_after
        self.telling = telling

    def show(self, stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        """Counts a step."""
        self.steps += 1
        if self.steps == self.stop_after:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.telling and self.steps == 1:
            print("begun", flush=True)
        if self.telling and stage == "tuning" and done == total:
            print("tuned", flush=True)

    def record(self, event: str, facts: Mapping[str, object]) -> None:
        """Keeps nothing."""

    def progress(self, stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        """Shows nothing."""


def work(directory: Path, shown: Shown, settings: Settings = SETTINGS, anchors: Path | None = None) -> bytes:
    """Does or goes on with the job; returns the bytes of the persona's file."""
    context = small_context()
    given = None if anchors is None else given_anchors(context, anchors)
    with Run.open(directory, job.describe(context, settings, given), show=shown.show) as run:
        if run.finished:
            return (directory / "small.persona.safetensors").read_bytes()
        outcome = job.personalize(dataclasses.replace(context, logger=run), settings, run, given=given)
    return outcome.file.read_bytes()


def apart(directory: Path, stop_after: int) -> int:
    """Does or goes on with the job in a process of its own; returns its exit code, below 0 for a signal."""
    child = os.fork()
    if not child:
        code = 1
        try:
            work(directory, Shown(stop_after or None))
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    torch.set_num_threads(1)
    keeping.SAVE_EVERY = 0.0
    if sys.argv[1:] == ["--each"]:
        torch.optim.Adam([torch.zeros(1)])  # the first one imports half of torch
        for line in sys.stdin:
            after, run = line.rstrip("\n").split(" ", 1)
            print(apart(Path(run), int(after)), flush=True)
    elif "--long" in sys.argv:
        print("ready", flush=True)
        work(Path(sys.argv[1]), Shown(telling=True), LONG)
    else:
        (given,) = (Path(text.removeprefix("--given=")) for text in sys.argv if text.startswith("--given="))
        stops = [int(text) for text in sys.argv[2:] if text.isdecimal()]
        work(Path(sys.argv[1]), Shown(*stops), anchors=given)
