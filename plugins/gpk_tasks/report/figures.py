"""The figures of a report, out of a run's log: all, the main ones, those of layers. Light: never imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from gpk_pages.charts import Bar, Chart, bar_chart
from gpk_tasks.report.events import Done, Figures, Importance, Provenance
from gpk_tasks.report.measures import MEASURES, Measure, spelled
from gpk_tasks.report.pictures import LABELS
from gpk_tasks.report.record import PERSONALIZED, PRETRAINED, Record

HIGHLIGHTS = ("id_sim", "psnr", "distance", "realism")
"""Measures of the summary."""


class Tile(NamedTuple):
    """A figure of the summary, before and after."""

    label: str
    photos: str
    before: str
    after: str
    meaning: str


class Line(NamedTuple):
    """A line of the table of figures."""

    photos: str
    generator: str
    cells: tuple[str, ...]
    personalized: bool


def measures_of(record: Record) -> dict[str, Measure]:
    """The measures that the run has, in their order."""
    figures = [f for by_label in _figures(record).values() for f in by_label.values()]
    known = {name: measure for name, measure in MEASURES.items() if any(name in f for f in figures)}
    judges = (record.last(Provenance) or Provenance()).judges
    if "distance" in known and (who := judges.get("reporting") or judges.get("loss")):
        seen = "which no loss has seen" if "reporting" in judges else "the one of the loss itself"
        told = f"{known['distance'].meaning} The network is {who.name}, {seen}."
        known["distance"] = known["distance"]._replace(meaning=told)
    return known


def highlights_of(record: Record, measures: Mapping[str, Measure]) -> list[Tile]:
    """The summary's figures: of held-out photos, or else of the album."""
    photos, by_label = next(reversed([(p, f) for p, f in _figures(record).items() if p != "novel views"]), ("", {}))
    before, after = by_label.get(PRETRAINED, {}), by_label.get(PERSONALIZED, {})
    return [
        Tile(m.label, LABELS.get(photos, photos), spelled(m, before[name]), spelled(m, after[name]), m.meaning)
        for name in HIGHLIGHTS
        if (m := measures.get(name)) and name in before and name in after
    ]


def lines_of(record: Record, measures: Mapping[str, Measure]) -> list[Line]:
    """The table: for every kind of photos a line for each generator."""
    return [
        Line(
            LABELS.get(photos, photos),
            label,
            tuple(spelled(m, figures.get(name)) for name, m in measures.items()),
            personalized=label == PERSONALIZED,
        )
        for photos, by_label in _figures(record).items()
        for label, figures in by_label.items()
    ]


def layers_of(record: Record) -> Chart | None:
    """How much the change of each block counts, where somebody measured that."""
    measured = record.last(Importance)
    bars = [] if measured is None else [Bar(b.name, b.percent, b.low, b.high) for b in measured.blocks]
    return bar_chart(bars, title="Importance of each block", across="share", unit=" %") if bars else None


def _figures(record: Record) -> Figures:
    done = record.last(Done)
    return {} if done is None else done.figures
