"""Whole sets of settings by name.

    my3dgen   the My3DGen release as it runs: 243,965 numbers on EG3D-FFHQ, 125,000 steps. For comparison.
    paper     the paper's text taken literally: true rank, the decoder tuned, no biases, noise strengths or constant.
    fast      what we recommend, by the benchmark (docs/method.md): whitened inversion, a learning rate per kind of
              change, anchors that move with it, 120 steps.

`full` makes full fine-tuning of any of them.
"""

from __future__ import annotations

from dataclasses import replace

from gpk.errors import UnknownNameError
from gpk.generator import Part
from gpk.recipe import RELEASE_PARTS, Recipe, Treatment
from gpk_tasks.personalize.settings import Inversion, Settings, Tuning

PRESETS: dict[str, Settings] = {
    "my3dgen": Settings(),
    "paper": Settings(
        recipe=Recipe(layout="flat", whole=frozenset(), parts={**RELEASE_PARTS, "decoder": "whole"}),
    ),
    "fast": Settings(
        recipe=Recipe(
            rank=2, layout="flat", init="normal", divide_gain=frozenset(), parts={**RELEASE_PARTS, "decoder": "whole"}
        ),
        inversion=Inversion(steps=50, lr=0.3, whiten=True, jitter=0.0, decay=0.75),
        tuning=Tuning(
            steps=120,
            lr=0.05,
            lr_offset=0.003,
            lr_decoder=0.002,
            lr_anchors=0.05,
            beta1=0.9,
            beta2=0.99,
            warmup=0.04,
            decay=0.5,
            perceptual=0.1,
        ),
    ),
}


FULL_RATE = 0.005
"""See docs/method.md: the best of 0.002, 0.005 and 0.01 for the embedded prior."""


def full(settings: Settings) -> Settings:
    """Full fine-tuning by the same loop: every weight but the mapping's, at a rate that suits it."""
    parts: dict[Part, Treatment] = {part: "frozen" if part == "mapping" else "whole" for part in settings.recipe.parts}
    tuning = replace(settings.tuning, lr_offset=FULL_RATE, lr_decoder=FULL_RATE)
    return replace(settings, recipe=Recipe(parts=parts), tuning=tuning)


def preset(name: str) -> Settings:
    """The preset's settings; raises UnknownNameError."""
    if name not in PRESETS:
        raise UnknownNameError("preset", name, PRESETS)
    return PRESETS[name]
