"""An album prepared from names on a command line: by `gpk prepare`, and by `gpk personalize` where photos are raw."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gpk.errors import InputError
from gpk.plugin import Backend, Card
from gpk.registry import Registry
from gpk_cli.instruments import digest_of, find_bench, find_finder, find_judge
from gpk_cli.output import say
from gpk_cli.progress import Show, progress
from gpk_runs.humanize import duration

if TYPE_CHECKING:
    from gpk_prepare.prepare import Prepared


def prepare_album(
    registry: Registry,
    backend: Backend,
    card: Card,
    folder: Path,
    out: Path,
    *,
    weights: Path | None = None,
    crop: str | None = None,
    detector: str | None = None,
    labels: Path | None = None,
    labels_as: str | None = None,
    pick: str = "main",
    judge: str | None = None,
    device: str = "auto",
) -> Prepared:
    """Prepares the photos in `folder` for `card`, in `out`; says what is missing before the work begins.

    What else is given is what the options of `gpk prepare` say. Raises InputError for one that cannot be, and as
    `gpk_prepare.prepare.prepare` does.
    """
    import torch

    from gpk_photos.album import known_labels
    from gpk_photos.conventions import AS_THEY_ARE
    from gpk_photos.plausible import checked, own_sight
    from gpk_prepare.prepare import Instruments, prepare
    from gpk_prepare.settings import Preparation, read_pick

    picked = read_pick(pick)
    if labels is not None and not backend.cameras:
        raise InputError(f"{backend.name} is a 2D generator, whose photos have no cameras: leave out --labels")
    where = str(labels or folder)
    known = known_labels(folder, labels) if backend.cameras else {}
    known, _ = checked(known, where, labels_as=labels_as)
    find, how, named = find_finder(registry, backend, folder, crop, detector, known)
    with torch.device("meta"):
        side = backend.build(card.config).resolution
    context, missing = find_bench(registry, backend, card, weights, device)
    if context is not None:
        side = context.generator.resolution
        vouched = AS_THEY_ARE if labels_as == AS_THEY_ARE else None
        known, warning = checked(known, where, sight=own_sight(context.generator), labels_as=vouched)
        if warning is not None:
            say(warning)
    seeing, judge_name = find_judge(registry, backend, judge)
    settings = Preparation(
        backend=backend.name,
        card=card.name,
        side=side,
        cameras=backend.cameras,
        cropped=how,
        detector=named,
        judge=judge_name,
        pick=picked,
        labels=digest_of(known),
    )
    eyes = Instruments(find, seeing, context, missing if backend.cameras else None, known)
    if missing is not None and backend.cameras:
        say(f"Photos are cut and judged now; their cameras have to wait, because {missing}")
    with progress() as shown:
        prepared = prepare(folder, out, settings, eyes, _Shown(shown))
    for note in prepared.notes:
        say(note)
    return prepared


class _Shown:
    """A logger that shows progress, says what will take long, and keeps nothing."""

    def __init__(self, shown: Show) -> None:
        self._shown = shown

    def record(self, event: str, facts: Mapping[str, object]) -> None:
        """Says how long cameras will take."""
        if event == "posing":
            say(
                f"Cameras of {facts['photos']} photos are looked for, which takes about"
                f" {duration(float(str(facts['seconds'])))}. Ctrl-C keeps what is done, and the same command goes on."
            )

    def progress(self, stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        """Shows it."""
        self._shown(stage, done, total, figures)
