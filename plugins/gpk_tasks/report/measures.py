"""The figures of a report: what each is called, how it is spelled, and what it means. Light: never imports torch."""

from __future__ import annotations

from typing import NamedTuple

from gpk_tasks.report.events import Figures


class Measure(NamedTuple):
    """A figure's heading, the format of its values, and a sentence for who meets it for the first time."""

    label: str
    form: str
    meaning: str


MEASURES = {
    "psnr": Measure("PSNR", "{:.1f} dB", "How close the pixels are to the photo's: 6 dB more is half the error."),
    "psnr_inside": Measure("PSNR inside", "{:.1f} dB", "The same where the subject is, without what is behind it."),
    "ssim": Measure("SSIM", "{:.3f}", "How much of the photo's local structure is there: 1 is all of it."),
    "distance": Measure("distance", "{:.3f}", "How different a network finds picture and photo: 0 is not at all."),
    "realism": Measure(
        "realism", "{:.3f}", "How much edges and grain are a photo's, whoever is shown: 1 is a photo, blur is less."
    ),
    "id_sim": Measure(
        "ID_sim", "{:.3f}", "How alike a judge of identity finds the subject here and in the photos: 1 is the same."
    ),
}


def table_of(figures: Figures) -> list[list[str]]:
    """Figures by photos, generator and name as a table, its headings first: a column for each figure that is there."""
    kinds = [k for k in MEASURES if any(k in f for by_label in figures.values() for f in by_label.values())]
    return [["photos", "generator", *(MEASURES[kind].label for kind in kinds)]] + [
        [photos, label, *(spelled(MEASURES[k], own.get(k)) for k in kinds)]
        for photos, by_label in figures.items()
        for label, own in by_label.items()
    ]


def spelled(measure: Measure, value: float | None) -> str:
    """A figure in words, nothing where it is not known."""
    return "" if value is None else measure.form.format(value)
