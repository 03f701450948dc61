"""How the losses of a personalization fell, as charts out of its log. Light: never imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from statistics import fmean

from gpk_pages.charts import Chart, Series, line_chart
from gpk_tasks.report.events import Inverted, Step, Tuned
from gpk_tasks.report.record import Record

LOSSES = {"l2": "pixels (L2)", "perceptual": "perceptual"}
"""Parts of the loss, and what they are called."""


def curves(record: Record) -> dict[str, Chart]:
    """A chart for each stage that has begun, by its caption.

    Inversion goes through the photos batch by batch: its curves are the means over the batches that have come so far.
    """
    inverted, tuned = record.each(Inverted), record.each(Tuned)
    batches = len({event.batch for event in inverted})
    several = f" (mean of {batches} batches)" if batches > 1 else ""
    stages: dict[str, Sequence[Step]] = {
        f"Inversion: a code for every photo{several}": inverted,
        "Tuning: the weights follow": tuned,
    }
    return {caption: _chart(caption, events) for caption, events in stages.items() if _series(events)}


def _chart(caption: str, events: Sequence[Step]) -> Chart:
    return line_chart(_series(events), title=f"{caption}: losses over steps", across="step")


def _series(events: Sequence[Step]) -> list[Series]:
    """Each part of the loss over the steps; numbers that were not finite are left out."""
    series = []
    for key, name in LOSSES.items():
        loss_of = attrgetter(key)
        points = sorted((event.step, loss_of(event)) for event in events if loss_of(event) is not None)
        means = {step: fmean(loss for _, loss in same) for step, same in groupby(points, key=lambda point: point[0])}
        if means:
            series.append(Series(name, list(means), list(means.values())))
    return series
