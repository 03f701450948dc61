"""Charts as SVG, and the same numbers as tables."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from gpk_pages.axes import axis_of
from gpk_pages.charts import MOST, WIDTH, Bar, Chart, Series, bar_chart, line_chart

HOSTILE = '"><script>alert(1)</script>&'
LOSS = Series("loss", [20, 40, 60], [0.5, 0.05, 0.005])


def elements(chart: Chart, tag: str, kind: str) -> list[ElementTree.Element]:
    """The parts of the drawing of that tag and class; raises where it is not well-formed."""
    return [e for e in ElementTree.fromstring(chart.svg).iter(tag) if kind in (e.get("class") or "").split()]


def test_a_line_goes_through_its_points() -> None:
    chart = line_chart([LOSS, Series("other", [20, 60], [0.1, 0.2])], title="Losses", across="step")
    dots = elements(chart, "circle", "s0")
    assert [(d.get("data-name"), d.get("data-x"), d.get("data-y")) for d in dots] == [
        ("loss", "20", "0.5"),
        ("loss", "40", "0.05"),
        ("loss", "60", "0.005"),
    ]
    (line,) = elements(chart, "polyline", "s0")
    assert line.get("points") == " ".join(f"{d.get('cx')},{d.get('cy')}" for d in dots)
    heights = [float(d.get("cy", "nan")) for d in dots]
    assert heights[1] - heights[0] == pytest.approx(heights[2] - heights[1], abs=0.2)  # a factor is a step: it is log
    assert chart.headings == ("step", "loss", "other")
    assert chart.rows == (("20", "0.5", "0.1"), ("40", "0.05", ""), ("60", "0.005", "0.2"))


def test_a_linear_axis_has_even_steps_and_holds_everything() -> None:
    chart = line_chart([Series("a", [0, 1, 2], [1.0, 2.0, 3.0])], title="", across="x", log=None)
    heights = [float(d.get("cy", "nan")) for d in elements(chart, "circle", "dot")]
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.2)
    assert heights == sorted(heights, reverse=True)  # more is higher


@pytest.mark.parametrize("values", [[5.0], [0.0, 0.0], [-3.0, 3.0], [1e-9, 1e9], [7.0, 7.0], []])
def test_whatever_values_there_are_they_are_on_the_axis(values: list[float]) -> None:
    for log in (False, None):
        axis = axis_of(values, 0, 100, log=log)
        assert axis.high > axis.low
        assert all(0 <= axis.place(value) <= 100 for value in values)
        assert all(0 <= axis.place(tick) <= 100 for tick in axis.ticks)
        assert len(axis.ticks) >= 2


def test_long_lines_are_thinned_and_keep_their_ends() -> None:
    steps = range(1, 125_001, 20)
    chart = line_chart([Series("loss", steps, [1 / s for s in steps])], title="", across="step")
    dots = elements(chart, "circle", "dot")
    assert len(dots) == MOST == len(chart.rows)
    assert (dots[0].get("data-x"), dots[-1].get("data-x")) == ("1", "124,981")
    assert len(chart.svg) < 50_000


def test_bars_are_as_long_as_their_values_and_whiskers_reach_their_ends() -> None:
    chart = bar_chart([Bar("b8", 2.0, 1.0, 4.0), Bar("b16", 1.0)], title="Blocks", across="share", unit=" %")
    one, other = (float(bar.get("width", "nan")) for bar in elements(chart, "rect", "bar"))
    assert one == pytest.approx(2 * other, abs=0.2)
    (whisker,) = elements(chart, "line", "whisker")
    start, end = (float(whisker.get(x, "nan")) for x in ("x1", "x2"))
    assert end - start == pytest.approx(1.5 * one, abs=0.2)
    assert chart.rows == (("b8", "2 %", "1 %", "4 %"), ("b16", "1 %", "1 %", "1 %"))
    assert bar_chart([Bar("a", 1.0)], title="", across="share").headings == ("", "share")


def test_texts_are_escaped_and_are_not_lost() -> None:
    lines = line_chart([Series(HOSTILE, [1, 2], [1, 2])], title=HOSTILE, across=HOSTILE)
    bars = bar_chart([Bar(HOSTILE, 1.0)], title=HOSTILE, across=HOSTILE, unit=HOSTILE)
    for chart in (lines, bars):
        root = ElementTree.fromstring(chart.svg)
        assert root.get("aria-label") == HOSTILE
        assert HOSTILE in [e.text for e in root.iter("text")]
        assert "script" not in {e.tag for e in root.iter()}
    assert float(elements(bars, "text", "label")[0].get("x", "nan")) < WIDTH / 2  # a long label leaves room for bars
