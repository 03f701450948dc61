"""Plots as PNG or SVG files, by matplotlib, which is an optional extra: figures with their spread, and curves.

No window is opened and no state of matplotlib's is touched.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from gpk.errors import ExtraError
from gpk_checkpoints.atomic import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, GREY, BLUE = "#1c1c1e", "#8a8a8e", "#2f5d8c"
Point = tuple[float, float, float]
"""Place, mean, deviation."""
COLOURS = (BLUE, "#c4673c", "#5b8a4c", "#8a5b9c")
"""Of curves, in their order."""


def write_dots(path: Path, panels: Mapping[str, Mapping[str, Sequence[float]]], *, title: str = "") -> None:
    """Side by side, a panel per heading: for each name its values as faint dots and their mean as a full one.

    Raises ExtraError without matplotlib, RunError where the file cannot be written.
    """
    names = list(next(iter(panels.values())))
    figure = _figure(1.6 + 2.4 * len(panels), 0.9 + 0.28 * len(names), title)
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axis, (heading, rows) in zip(axes, panels.items(), strict=True):
        for place, name in enumerate(names):
            values = list(rows[name])
            axis.plot(values, [place] * len(values), "o", color=BLUE, alpha=0.25, markersize=4, markeredgewidth=0)
            if values:
                axis.plot([sum(values) / len(values)], [place], "o", color=BLUE, markersize=7)
        axis.set_title(heading, fontsize=9, color=INK)
        _plain(axis)
        axis.grid(axis="y", color="#eeeeee")
    axes[0].set_yticks(range(len(names)), names, fontsize=8)
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    _write(path, figure)


def write_curves(
    path: Path,
    panels: Mapping[str, Mapping[str, Sequence[Point]]],
    *,
    across: str,
    title: str = "",
    scale: Literal["log", "linear"] = "log",
) -> None:
    """Side by side, a panel per heading: for each name a curve through its points, whose places stand on an axis that
    is called `across`, and has this `scale`. Raises as `write_dots` does.
    """
    figure = _figure(0.6 + 3.0 * len(panels), 2.8, title)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (heading, curves) in zip(axes, panels.items(), strict=True):
        for index, (name, points) in enumerate(curves.items()):
            x, mean, deviation = zip(*sorted(points), strict=True)
            axis.errorbar(x, mean, deviation, marker="o", markersize=4, capsize=2, linewidth=1.2, label=name,
                          color=COLOURS[index % len(COLOURS)])  # fmt: skip
        ticks = sorted({x for points in curves.values() for x, _, _ in points})
        axis.set_xscale(scale)
        axis.set_xticks(ticks, [f"{x:g}" for x in ticks])
        axis.minorticks_off()
        axis.set_title(heading, fontsize=9, color=INK)
        axis.set_xlabel(across, fontsize=8)
        _plain(axis)
    axes[-1].legend(fontsize=8, frameon=False)
    _write(path, figure)


class Bar(NamedTuple):
    """One bar: its name, how long it is, the deviation, and each single value that the length is the mean of."""

    name: str
    mean: float
    deviation: float = 0.0
    values: Sequence[float] = ()


def write_bars(path: Path, panels: Mapping[str, Sequence[Bar]], *, title: str = "", told: Sequence[str] = ()) -> None:
    """Side by side, a panel per heading of upright bars with their deviations and, as dots, their single values;
    `told` are lines below. The file is a PNG or, by its suffix, an SVG. Raises as `write_dots` does.
    """
    widest = max(len(bars) for bars in panels.values())
    figure = _figure(0.6 + len(panels) * (0.8 + 0.42 * widest), 3.2, title)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (heading, bars) in zip(axes, panels.items(), strict=True):
        places = range(len(bars))
        axis.bar(places, [bar.mean for bar in bars], color=BLUE, alpha=0.75, width=0.7)
        spread = [bar.deviation for bar in bars]
        axis.errorbar(places, [bar.mean for bar in bars], spread, fmt="none", ecolor=INK, capsize=3, linewidth=1)
        for place, bar in enumerate(bars):
            axis.plot([place] * len(bar.values), bar.values, "o", color=INK, alpha=0.35, markersize=2.5)
        axis.set_xticks(list(places), [bar.name for bar in bars], fontsize=8, rotation=90)
        axis.set_title(heading, fontsize=9, color=INK)
        _plain(axis)
    if told:
        figure.supxlabel("\n".join(told), fontsize=8, color=GREY)
    _write(path, figure)


def _figure(width: float, height: float, title: str) -> Figure:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ExtraError("plots need matplotlib: pip install 'gpk[plots]'") from error
    figure = Figure(figsize=(width, height), dpi=140, layout="constrained")
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(title, fontsize=10, color=INK)
    return figure


def _plain(axis: Any) -> None:  # noqa: ANN401 - matplotlib's Axes, which is optional
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    axis.tick_params(labelsize=8, colors=INK)


def _write(path: Path, figure: Figure) -> None:
    held = io.BytesIO()
    if path.suffix == ".svg":
        from matplotlib import rc_context

        with rc_context({"svg.hashsalt": "gpk"}):  # else the file's names of its own parts are random
            figure.savefig(held, format="svg", metadata={"Date": None, "Creator": None})
    else:
        figure.savefig(held, format="png", metadata={"Software": None})
    write_atomically(path, [held.getvalue()])
