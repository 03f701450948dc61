"""Charts as inline SVG, each with the same numbers as a table, for whoever cannot see it.

They are drawn in classes alone: `style.css` has their colours, light and dark, and `script.js` reads out the points
under a pointer. Whatever text is given is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from gpk_pages.axes import Axis, axis_of, spelled

WIDTH, HEIGHT = 480, 290
"""Of a line chart, in units of 1 px where it is as wide; text is 13 high."""
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 34, 46
"""Its margins, in the same units."""
MOST = 240
"""Points of a line: more cannot be told apart."""
MARKED = 40
"""Points that are drawn as dots; of more the line alone is."""
LINES = 4
"""Kinds of line that the style knows."""
ROW = 34
"""Pixels from one bar to the next."""
LETTER = 8.2
"""Pixels of a letter, about."""
LONGEST = 30
"""Letters of a bar's label that are shown beside it."""


class Series(NamedTuple):
    """A line: its name, and ys over xs."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]


class Bar(NamedTuple):
    """A bar: what it is of, how long it is, and the ends of its whisker where there is a spread."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None


class Chart(NamedTuple):
    """A drawing, which needs no escaping any more, and its numbers as a table."""

    svg: Markup
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def line_chart(series: Sequence[Series], *, title: str, across: str, log: bool | None = None) -> Chart:
    """Lines over one axis, which is called `across`.

    The other axis is logarithmic as `log` says, where None if that helps. At most MOST points of a line are drawn,
    evenly chosen, and the last of them. `title` is what is read aloud.
    """
    series = [_thinned(line) for line in series]
    x = axis_of([x for line in series for x in line.xs], LEFT, WIDTH - RIGHT, zero=True)
    y = axis_of([y for line in series for y in line.ys], HEIGHT - BOTTOM, TOP, log=log)
    parts = [
        *_grid(x, y),
        f'<text class="axis" x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">{escape(across)}</text>',
        *(part for number, line in enumerate(series) for part in _line(line, number % LINES, x, y)),
        *_legend([line.name for line in series]),
        f'<line class="cursor" x1="0" x2="0" y1="{TOP}" y2="{HEIGHT - BOTTOM}" visibility="hidden"/>',
    ]
    places = sorted({place for line in series for place in line.xs})
    known = [dict(zip(line.xs, line.ys, strict=True)) for line in series]
    rows = [(spelled(place), *(spelled(ys[place]) if place in ys else "" for ys in known)) for place in places]
    svg = _svg("lines", WIDTH, HEIGHT, title, parts, across=across)
    return Chart(svg, (across, *(line.name for line in series)), tuple(rows))


def bar_chart(bars: Sequence[Bar], *, title: str, across: str, unit: str = "") -> Chart:
    """Bars from the left, one below the other, each with its value and `unit` beside it.

    `across` says what they are of, `title` is what is read aloud.
    """
    left = 14 + LETTER * min(LONGEST, max((len(bar.label) for bar in bars), default=0))
    ends = [end for bar in bars for end in (bar.value, bar.low, bar.high) if end is not None]
    x = axis_of([0.0, *ends], left, WIDTH - 70)
    height = 12 + ROW * len(bars) + 40
    bottom = 8 + ROW * len(bars)
    parts = [part for tick in x.ticks for part in _upright(x.place(tick), 8, bottom, f"{spelled(tick)}{unit}")]
    for number, bar in enumerate(bars):
        parts += _bar(bar, x, 8 + ROW * number, left, unit)
    parts.append(f'<text class="axis" x="{WIDTH - 70}" y="{height - 2}" text-anchor="end">{escape(across)}</text>')
    spread = any(bar.low is not None or bar.high is not None for bar in bars)
    rows = [(bar.label, f"{spelled(bar.value)}{unit}", *(_ends(bar, unit) if spread else ())) for bar in bars]
    headings = ("", across, *(["from", "to"] if spread else []))
    return Chart(_svg("bars", WIDTH, height, title, parts), headings, tuple(rows))


def _thinned(line: Series) -> Series:
    """The line with MOST of its points at most, evenly chosen, the first and the last among them."""
    count = len(line.xs)
    if count <= MOST:
        return line
    chosen = [round(k * (count - 1) / (MOST - 1)) for k in range(MOST)]
    return Series(line.name, [line.xs[k] for k in chosen], [line.ys[k] for k in chosen])


def _grid(x: Axis, y: Axis) -> Iterator[str]:
    for tick in y.ticks:
        place = y.place(tick)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{place}" y2="{place}"/>'
        yield f'<text class="tick" x="{LEFT - 8}" y="{place + 4}" text-anchor="end">{spelled(tick)}</text>'
    for tick in x.ticks:
        place = x.place(tick)
        yield f'<text class="tick" x="{place}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{spelled(tick)}</text>'


def _upright(place: float, top: float, bottom: float, text: str) -> Iterator[str]:
    yield f'<line class="grid" x1="{place}" x2="{place}" y1="{top}" y2="{bottom}"/>'
    yield f'<text class="tick" x="{place}" y="{bottom + 18}" text-anchor="middle">{escape(text)}</text>'


def _line(line: Series, kind: int, x: Axis, y: Axis) -> Iterator[str]:
    """The line, and its points, which say what they are of."""
    points = [(x.place(a), y.place(b), a, b) for a, b in zip(line.xs, line.ys, strict=True)]
    yield f'<polyline class="line s{kind}" points="{" ".join(f"{px},{py}" for px, py, _, _ in points)}"/>'
    shown = "dot" if len(points) <= MARKED else "dot faint"
    name = escape(line.name)
    for px, py, a, b in points:
        told = f'data-name="{name}" data-x="{spelled(a)}" data-y="{spelled(b)}"'
        yield f'<circle class="{shown} s{kind}" cx="{px}" cy="{py}" r="3.5" {told}/>'


def _legend(names: Sequence[str]) -> Iterator[str]:
    place = float(LEFT)
    for number, name in enumerate(names):
        yield f'<line class="line s{number % LINES}" x1="{place:.0f}" x2="{place + 22:.0f}" y1="14" y2="14"/>'
        yield f'<text class="legend" x="{place + 29:.0f}" y="18">{escape(name)}</text>'
        place += 50 + LETTER * len(name)


def _bar(bar: Bar, x: Axis, top: float, left: float, unit: str) -> Iterator[str]:
    label = bar.label if len(bar.label) <= LONGEST else f"{bar.label[: LONGEST - 1]}…"
    start, end, middle = x.place(0.0), x.place(bar.value), top + ROW / 2
    yield f'<text class="label" x="{left - 10}" y="{middle + 4}" text-anchor="end">{escape(label)}</text>'
    yield (
        f'<rect class="bar" x="{min(start, end)}" y="{top + 6}" width="{max(abs(end - start), 1):.1f}" '
        f'height="{ROW - 12}" rx="3"><title>{escape(bar.label)}: {spelled(bar.value)}{escape(unit)}</title></rect>'
    )
    ends = [x.place(bar.value if end is None else end) for end in (bar.low, bar.high)]
    if ends != [end, end]:
        yield f'<line class="whisker" x1="{ends[0]}" x2="{ends[1]}" y1="{middle}" y2="{middle}"/>'
    yield f'<text class="value" x="{max(end, *ends) + 8}" y="{middle + 4}">{spelled(bar.value)}{escape(unit)}</text>'


def _ends(bar: Bar, unit: str) -> tuple[str, ...]:
    return tuple(f"{spelled(bar.value if end is None else end)}{unit}" for end in (bar.low, bar.high))


def _svg(kind: str, width: float, height: float, title: str, parts: Sequence[str], *, across: str = "") -> Markup:
    told = f' data-across="{escape(across)}"' if across else ""
    body = "\n".join(parts)
    return Markup(  # every text in it is escaped above
        f'<svg class="chart {kind}" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(title)}"{told}>\n'
        f"{body}\n</svg>"
    )
