"""From results to what is read: means and spreads over individuals, as JSON, Markdown and plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isnan
from pathlib import Path
from typing import Any

from gpk_bench.benchmark import Result
from gpk_runs.plots import write_curves, write_dots
from gpk_runs.tables import Spread, markdown, spread

HEADINGS = {
    "train_psnr": ("train PSNR", 1),
    "held_out_psnr": ("held-out PSNR", 1),
    "held_out_inside": ("inside the cat", 1),
    "held_out_distance": ("distance", 3),
    "held_out_realism": ("held-out realism", 3),
    "held_out_id_sim": ("held-out ID_sim", 3),
    "novel_inside": ("novel view PSNR inside", 1),
    "novel_id_sim": ("novel view ID_sim", 3),
    "invented_id_sim": ("invented ID_sim", 3),
    "invented_realism": ("invented realism", 3),
    "invented_diversity": ("diversity", 3),
    "numbers": ("numbers", 0),
    "bytes": ("kB", 0),
    "images_seen": ("images seen", 0),
    "seconds": ("tuning, s", 0),
}
"""The columns that the table shows, of all that are measured, with their headings and digits."""
PLOTTED = ("held_out_inside", "held_out_id_sim", "novel_inside", "novel_id_sim")
"""The columns that are plotted."""
NONE = spread(())
"""Of a column that nobody measured."""


def summary(results: Sequence[Result]) -> dict[str, dict[str, Spread]]:
    """Each row's figures over the individuals, by row and column, in the rows' order."""
    rows: dict[str, list[Result]] = {}
    for result in results:
        rows.setdefault(result.row, []).append(result)
    return {
        name: {column: spread(result.figures.get(column) for result in same) for column in same[0].figures}
        for name, same in rows.items()
    }


def to_json(results: Sequence[Result], facts: Mapping[str, Any]) -> dict[str, Any]:
    """All of it in JSON types, null for what nobody knows: facts of the benchmark, the summary, and every result."""
    means = {row: {c: _known(s._asdict()) for c, s in columns.items()} for row, columns in summary(results).items()}
    plain = [asdict(result) | {"figures": _known(result.figures)} for result in results]
    return {**facts, "summary": means, "results": plain}


def _known(figures: Mapping[str, float | None]) -> dict[str, float | None]:
    return {name: None if value is None or isnan(value) else value for name, value in figures.items()}


def headings() -> list[str]:
    """Of the table's columns."""
    return ["row", *(heading for heading, _ in HEADINGS.values())]


def cells(results: Sequence[Result]) -> list[list[str]]:
    """The table's lines: the mean, and ± the standard deviation over individuals."""
    return [
        [name, *(_cell(columns.get(column, NONE), column, digits) for column, (_, digits) in HEADINGS.items())]
        for name, columns in summary(results).items()
    ]


def to_markdown(results: Sequence[Result]) -> str:
    """The table in Markdown."""
    return markdown(headings(), cells(results))


def plots(folder: Path, results: Sequence[Result]) -> list[Path]:
    """`rows.png`, what each row gives for every individual, and where albums differ in size `sizes.png`.

    Raises ExtraError without matplotlib.
    """
    standard = max({result.photos for result in results}, key=lambda photos: sum(r.photos == photos for r in results))
    alike = [result for result in results if result.photos == standard]
    dots: dict[str, dict[str, list[float]]] = {}
    for column in PLOTTED:
        for result in alike:
            values = dots.setdefault(HEADINGS[column][0], {}).setdefault(result.row, [])
            if (value := result.figures.get(column)) is not None:
                values.append(value)
    write_dots(folder / "rows.png", dots)
    other_sizes = {result.way for result in results if result.photos != standard}
    ways = {result.way: result.row for result in alike if result.way in other_sizes}
    if not ways:
        return [folder / "rows.png"]
    curves: dict[str, dict[str, list[tuple[float, float, float]]]] = {}
    means = summary(results)
    for row, way, photos in dict.fromkeys((result.row, result.way, result.photos) for result in results):
        if way in ways:
            for column in PLOTTED:
                mean, deviation, _ = means[row].get(column, NONE)
                curves.setdefault(HEADINGS[column][0], {}).setdefault(ways[way], []).append((photos, mean, deviation))
    write_curves(folder / "sizes.png", curves, across="photos in the album")
    return [folder / "rows.png", folder / "sizes.png"]


def _cell(spread: Spread, column: str, digits: int) -> str:
    return spread.spelled(digits, scale=1e-3 if column == "bytes" else 1.0)
