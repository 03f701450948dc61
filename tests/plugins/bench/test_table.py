"""From results to tables: means, spreads, and what is not known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gpk_bench.benchmark import Result
from gpk_bench.table import HEADINGS, plots, summary, to_json, to_markdown


def results() -> list[Result]:
    """Two rows of three individuals each, and a third of one, whose columns count up."""
    names = [("pretrained", 12, 0.0), ("fast", 12, 10.0), ("fast (3 photos)", 3, 5.0)]
    return [
        Result(
            name,
            name.partition(" (")[0],
            subject,
            photos,
            None,
            {**dict.fromkeys(HEADINGS, base + subject), "anchor_seconds": 1.0},
        )
        for name, photos, base in names
        for subject in range(3)
    ]


def test_a_mean_and_a_standard_deviation_over_individuals() -> None:
    spread = summary(results())["fast"]["held_out_psnr"]
    assert (spread.mean, spread.deviation, spread.subjects) == pytest.approx((11.0, 1.0, 3))
    lines = to_markdown(results()).splitlines()
    assert [line.split("|")[1].strip() for line in lines] == ["row", "---", "pretrained", "fast", "fast (3 photos)"]
    assert "| 11.0 ± 1.0 |" in lines[3]


def test_a_figure_that_nobody_has_is_left_blank_and_not_counted() -> None:
    some = results()
    some[3].figures["invented_diversity"] = float("nan")
    assert summary(some)["fast"]["invented_diversity"].mean == pytest.approx(11.5)
    for result in some:
        result.figures["invented_diversity"] = float("nan")
    assert "nan" not in to_markdown(some)
    assert "NaN" not in json.dumps(to_json(some, {}), allow_nan=False)


def test_plots_show_rows_of_one_album_and_curves_over_albums(tmp_path: Path) -> None:
    drawn = plots(tmp_path, results())
    assert [path.name for path in drawn] == ["rows.png", "sizes.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)
    assert [path.name for path in plots(tmp_path, results()[:6])] == ["rows.png"]


def test_a_column_that_only_some_have_is_left_blank(tmp_path: Path) -> None:
    some = results()
    for result in some[:3]:
        del result.figures["held_out_inside"]
    some[4].figures["held_out_inside"] = None
    assert summary(some)["fast"]["held_out_inside"].mean == pytest.approx(11.0)
    assert len(to_markdown(some).splitlines()) == 5
    assert len(plots(tmp_path, some)) == 2
