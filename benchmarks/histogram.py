"""The histogram that benchmarks of cameras draw: how many photos are how many degrees off."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

MOST = 20
"""Degrees at which the picture ends; what is further off stands in its last bin."""


class Errors(NamedTuple):
    """A line of the histogram: its `label`, the errors in degrees, any shape, and its colour."""

    label: str
    degrees: Tensor
    colour: str


def draw(path: Path, lines: Sequence[Errors], *, told: str) -> None:
    """Writes the histogram as PNG, `told` below it."""
    from matplotlib.figure import Figure

    from gpk_runs.plots import INK

    figure = Figure(figsize=(7.2, 3.0), dpi=140, layout="constrained")
    axes = figure.subplots()
    edges = [0.5 * i for i in range(2 * MOST + 1)]
    for label, degrees, colour in lines:
        values = degrees.flatten().clamp_max(MOST - 0.1).tolist()
        axes.hist(values, edges, histtype="step", color=colour, linewidth=1.4, label=label)
    axes.set_xlabel(told, fontsize=8)
    axes.set_ylabel("photos", fontsize=8)
    axes.set_xlim(0, MOST)
    axes.tick_params(labelsize=8, colors=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(fontsize=8, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})
