"""The figures of a report: what each is called, how it is spelled, and what it means. Light: never imports torch."""

from __future__ import annotations

from typing import NamedTuple


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
    "id_sim": Measure(
        "ID_sim", "{:.3f}", "How alike a judge of identity finds the subject here and in the photos: 1 is the same."
    ),
}
