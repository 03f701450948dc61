"""What went wrong without an error: an inversion that stood still, a persona no better than what it was tuned from, or
with pictures less real.

All are told from figures that the run has anyway, in sentences with the two that were compared. docs/guide.md has what
good and bad runs give, which the bounds are from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gpk_tasks.personalize.settings import Inversion
from gpk_tasks.report.events import Figures, Inverted
from gpk_tasks.report.measures import MEASURES
from gpk_tasks.report.record import PERSONALIZED, PRETRAINED

STILL = 0.75
"""An inversion whose last loss is more than this share of its first one has found hardly anything."""
BETTER = {"psnr": 1, "distance": -1}
"""Figures of the album that tuning is after, and whether more is better, or less."""

UNREAL = 0.3
"""How much wider the gap in realism may grow (1 / realism - 1): a blur of half a pixel widens that of real frames by
0.37 to 0.55, and by chance two dozens of the same pictures are at most about so far apart (docs/realism.md).
"""


def doubts(figures: Figures, inverted: Sequence[Inverted], inversion: Inversion) -> tuple[str, ...]:
    """Sentences on a run with these figures, whose log has these steps of inversion; none where all is well."""
    return (*_still(inverted, inversion), *_no_better(figures), *_less_real(figures))


def _still(inverted: Sequence[Inverted], inversion: Inversion) -> Iterator[str]:
    """The batch of photos whose loss fell least, where that is hardly at all."""
    losses: dict[int, dict[int, float]] = {}
    for each in inverted:
        if each.l2 is not None and each.perceptual is not None:
            total = inversion.l2 * each.l2 + inversion.perceptual * each.perceptual
            losses.setdefault(each.batch, {})[each.step] = total
    pairs = [(steps[1], steps[max(steps)]) for steps in losses.values() if 1 in steps and len(steps) > 1]
    still = [(last / first, first, last) for first, last in pairs if 0 < STILL * first < last]
    if still:
        _, first, last = max(still)
        where = f" for {len(still)} of {len(pairs)} batches of photos" if len(pairs) > 1 else ""
        yield (
            f"Inversion stood still{where}: the loss was {first:.3g} at the first step and {last:.3g} at the last. "
            "Try more --anchor-steps, or inversion: {draws: 512} or another {lr: …} in --config; and look whether the "
            "photos are of the kind and the crop that the generator shows, and their cameras are right."
        )


def _no_better(figures: Figures) -> Iterator[str]:
    """The first figure of the album, where none of them is better with the persona."""
    before, after = (figures.get("train", {}).get(label, {}) for label in (PRETRAINED, PERSONALIZED))
    worse: list[str] = []
    for name, sign in BETTER.items():
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            continue
        if sign * (new - old) > 0:
            return
        label, form, _ = MEASURES[name]
        worse.append(f"{label} {form.format(old)} before and {form.format(new)} after")
    if worse:
        yield (
            f"The persona shows its own album no better than the pretrained generator does: {worse[0]}. "
            "Try more --steps, a lower --lr or a higher --rank; and look whether the photos' cameras are right."
        )


def _less_real(figures: Figures) -> Iterator[str]:
    """The photos whose pictures lost most realism, where that is much."""
    lost: list[tuple[float, str, float, float]] = []
    for photos, by_label in figures.items():
        before, after = (by_label.get(label, {}).get("realism") for label in (PRETRAINED, PERSONALIZED))
        if before and after and 1 / after - 1 / before > UNREAL:
            lost.append((1 / after - 1 / before, photos, before, after))
    if lost:
        _, photos, before, after = max(lost)
        yield (
            f"The persona's pictures are less real than the pretrained generator's ({photos}): realism "
            f"{before:.3f} before and {after:.3f} after. Look whether they are blurred or speckled; "
            "try fewer --steps or a lower --lr."
        )
