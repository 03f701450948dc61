"""Which rank suits layers of 64 units: the wooden birds of docs/examples/gpk-birds (pip install it), tuned in six ways.

    gpk birds bird --seed 1
    python benchmarks/foreign_rank.py bird --work DIR

Each way starts from the same anchors. What is told is of views that nobody learned from: the mean of the anchors, seen
by the cameras of the held-out photos, against these photos. A way that is there already is not tuned again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import torch

from gpk.attach import attached
from gpk.context import Context
from gpk.latents import anchors_as_ws
from gpk.logger import NullLogger
from gpk.metrics import psnr
from gpk.registry import Registry
from gpk_checkpoints.files import read_safetensors, write_safetensors
from gpk_cli.context import make_context, open_album
from gpk_tasks.personalize.inversion import find_codes
from gpk_tasks.personalize.personalize import untrained
from gpk_tasks.personalize.presets import full, preset
from gpk_tasks.personalize.settings import Settings
from gpk_tasks.personalize.tuning import tune

FAST = preset("fast")
WAYS: dict[str, Settings] = {
    **{f"rank {r}": dataclasses.replace(FAST, recipe=dataclasses.replace(FAST.recipe, rank=r)) for r in (1, 2, 4, 8)},
    "rank 2, a tenth of the rates": dataclasses.replace(
        FAST, tuning=dataclasses.replace(FAST.tuning, lr=FAST.tuning.lr / 10, lr_offset=FAST.tuning.lr_offset / 10)
    ),
    "every weight": full(FAST),
}
"""The last but one has the rates in units of these weights' own size, which is 0.07 to 0.09 and not 1."""


def main() -> None:
    """Prints a line a way."""
    parser = argparse.ArgumentParser(description="Which rank suits layers of 64 units.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", default="; ".join(WAYS), help="Ways, with semicolons between them.")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    registry = Registry.discover()
    backend = registry.backend("graf-birds")
    held_out = open_album(registry, given.folder / "held-out", backend, side=48)
    for name in given.only.split("; "):
        told = given.work / f"{name}.json"
        if not told.exists():
            context = make_context(
                registry, backend, backend.card, given.folder / "train", weights=None, device="cpu", logger=NullLogger()
            )
            anchors = inverted(context, given.work / "anchors.safetensors")
            persona = untrained(context, WAYS[name], anchors)
            figures: dict[str, float] = {"numbers": persona.numbers}
            assert context.judge is not None
            for when in ("before", "after"):
                with attached(context.generator, persona) as generator, torch.no_grad():
                    w = anchors_as_ws(persona.anchors.mean(0, keepdim=True), 2).expand(len(held_out), -1, -1)
                    shown = generator(w, held_out.cameras).image
                figures[f"PSNR {when}"] = round(psnr(shown, held_out.photos).mean().item(), 2)
                alike = (context.judge(shown) * context.judge(held_out.photos)).sum(1).mean().item()
                figures[f"ID_sim {when}"] = round(alike, 3)
                if when == "before":
                    tune(context, persona, WAYS[name].tuning)
            told.write_text(json.dumps(figures))
        print(f"{name:22}", json.loads(told.read_text()), flush=True)


def inverted(context: Context, file: Path) -> torch.Tensor:
    """The album's anchors by `fast`, found once."""
    if not file.exists():
        write_safetensors(file, {"anchors": find_codes(context, FAST.inversion)}, {})
    return read_safetensors(file)[0]["anchors"]


if __name__ == "__main__":
    main()
