"""`gpk prepare`: a folder of raw photos into an album."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from corekit.errors import ExtraError, GpkError, InputError, WeightsError
from corekit.plugin import Backend, Card
from corekit.registry import Registry
from gpk_cli.bench import find_card, make_bench
from gpk_cli.output import AsJson, printable, say, show
from gpk_cli.progress import Show, progress

if TYPE_CHECKING:
    from torch import Tensor, nn

    from corekit.bench import Bench
    from gpk_photos.reading import Find
    from gpk_prepare.prepare import Prepared


def add_commands(app: typer.Typer) -> None:
    """Adds this module's command."""
    app.command()(prepare)


def prepare(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder or zip of photos, as a phone or a camera left them.")],
    backend: Annotated[str, typer.Option(help="Family of generators: see `gpk backends`.")],
    out: Annotated[Path | None, typer.Option(help="The album [default: albums/FOLDER-BACKEND].")] = None,
    card: Annotated[str | None, typer.Option(help="Checkpoint of the backend; its first by default.")] = None,
    weights: Annotated[Path | None, typer.Option(help="The generator's weights, if not those of gpk's cache.")] = None,
    crop: Annotated[
        str | None,
        typer.Option(
            help="detect, centre, none (photos are crops already), or a CSV file of file,left,top,right,bottom,roll."
        ),
    ] = None,
    detector: Annotated[str | None, typer.Option(help="What finds faces, as NAME or NAME=FILE.")] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Cameras that are known: a dataset.json, of photos that are crops already.")
    ] = None,
    pick: Annotated[
        str, typer.Option(help="Of several faces: main (whom most photos show), largest, or N from the left.")
    ] = "main",
    judge: Annotated[
        str | None, typer.Option(help="Who tells strangers, as NAME or NAME=FILE [default: the backend's own].")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Make an album of raw photos: crops, cameras, and a selection that you can edit. Nothing is deleted.

    OUT/selection.csv tells which photos are used and why not the others; contact-sheet.png shows it. Write yes or no
    under `use` and run the same command again: your decisions win. The same command goes on where it was stopped.
    """
    registry: Registry = ctx.obj
    family = registry.backend(backend, asked=True)
    prepared = prepare_album(
        registry,
        family,
        find_card(family, card),
        folder,
        out or Path("albums") / f"{folder.resolve().stem}-{backend.replace(':', '-')}",
        weights=weights,
        crop=crop,
        detector=detector,
        labels=labels,
        pick=pick,
        judge=judge,
        device=device,
    )
    _show(prepared, as_json=as_json)


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
    pick: str = "main",
    judge: str | None = None,
    device: str = "auto",
) -> Prepared:
    """Prepares the photos in `folder` for `card`, in `out`; says what is missing before the work begins."""
    import torch

    from gpk_photos.album import known_labels
    from gpk_prepare.prepare import Instruments, prepare
    from gpk_prepare.settings import Preparation, read_pick

    picked = read_pick(pick)
    known = known_labels(folder, labels) if backend.cameras else {}
    find, how, named = _finder(registry, backend, folder, crop, detector, known)
    with torch.device("meta"):
        side = backend.build(card.config).resolution
    bench, missing = _bench(registry, backend, card, weights, device)
    if bench is not None:
        side = bench.generator.resolution
    seeing, judge_name = _judge(registry, backend, judge)
    settings = Preparation(
        backend=backend.name,
        card=card.name,
        side=side,
        cameras=backend.cameras,
        cropped=how,
        detector=named,
        judge=judge_name,
        pick=picked,
        labels=_digest(known),
    )
    eyes = Instruments(find, seeing, bench, missing if backend.cameras else None, known)
    if missing is not None and backend.cameras:
        say(f"Photos are cut and judged now; their cameras have to wait, because {missing}")
    with progress() as shown:
        prepared = prepare(folder, out, settings, eyes, _Shown(shown))
    for note in prepared.notes:
        say(note)
    return prepared


class _Shown:
    """A journal that shows progress and keeps nothing."""

    def __init__(self, shown: Show) -> None:
        self._shown = shown

    def record(self, event: str, facts: Mapping[str, object]) -> None:
        """Keeps nothing."""

    def progress(self, stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        """Shows it."""
        self._shown(stage, done, total, figures)


def _bench(
    registry: Registry, backend: Backend, card: Card, weights: Path | None, device: str
) -> tuple[Bench | None, GpkError | None]:
    """The generator and its distance, or what is missing of them. A file that was named must be good."""
    from corekit.bench import Silence

    try:
        return make_bench(registry, backend, card, None, weights=weights, device=device, journal=Silence()), None
    except (WeightsError, ExtraError) as error:
        if weights is not None:
            raise
        return None, error


def _judge(registry: Registry, backend: Backend, named: str | None) -> tuple[nn.Module | None, str | None]:
    """The judge of identity; where it is not here, a sentence says so, and strangers stay."""
    name, _, file = (named or backend.judge or "").partition("=")
    if not name:
        say(f"Strangers are not looked for: {backend.name} names no judge of identity. Give one with --judge.")
        return None, None
    offer = registry.judge(name)
    if offer.kind != "judge":
        raise InputError(f"{name!r} is no judge of identity: see `gpk judges`")
    try:
        return offer.load(Path(file) if file else None), name
    except (ExtraError, WeightsError) as error:
        if named is not None:
            raise
        say(f"Strangers are not looked for: {error}")
        return None, None


def _finder(
    registry: Registry, backend: Backend, folder: Path, crop: str | None, detector: str | None, known: dict[str, Tensor]
) -> tuple[Find, str, str | None]:
    """Where crops come from, that in a word for the settings, and the detector's name."""
    from corekit.framing import Framing
    from gpk_photos.album import photo_names
    from gpk_photos.finding import as_it_is, by_boxes, by_detector, in_the_middle, labelled

    name, _, file = (detector or backend.detector or "").partition("=")
    how = crop or ("detect" if name else "centre")
    if detector is not None and how != "detect":
        raise InputError(f"--detector is of no use to --crop {how}: leave one of them out")
    match how:
        case "detect":
            if not name:
                raise InputError(f"{backend.name} names no detector: give --detector NAME, or --crop centre")
            card = registry.detector(name)
            model = Path(file) if file else None
            card.load(model)  # what is missing is told before the work begins
            find, named = by_detector(lambda: card.load(model), backend.framing or Framing()), name
        case "centre" | "center":
            how, find, named = "centre", in_the_middle, None
        case "none":
            find, named = as_it_is, None
        case _:
            path = Path(how)
            if path.suffix.lower() != ".csv":
                raise InputError(f"--crop is detect, centre, none, or a CSV file of boxes, not {how!r}")
            find, named = by_boxes(path, photo_names(folder)), None
            how = f"boxes {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
    return labelled(find, known), how, named


def _digest(labels: dict[str, Tensor]) -> str | None:
    if not labels:
        return None
    digest = hashlib.sha256()
    for name, label in sorted(labels.items()):
        digest.update(f"{name} {label.tolist()}".encode())
    return digest.hexdigest()


def _show(prepared: Prepared, *, as_json: bool) -> None:
    """What became of the photos, on stdout; where to look, on stderr."""
    rows = [
        {
            "photo": each.file if as_json else printable(each.file),
            "use": each.use,
            "decided by": each.decided_by,
            "why": "; ".join(each.reasons) if as_json else printable("; ".join(each.reasons)),
            "crop": each.crop,
            "measured": dict(each.measured),
        }
        for each in prepared.choices
    ]
    if as_json:
        show(rows, (), as_json=True)
    else:
        told = [row for row in rows if not row["use"] or row["why"]]
        show(told, ("photo", "use", "decided by", "why"), as_json=False)
    say(sentence(prepared))


def sentence(prepared: Prepared) -> str:
    """How many photos are used, why the others are not, and what to do about it."""
    reasons = Counter(each.word for each in prepared.choices if not each.use)
    told = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    return (
        f"{len(prepared.used)} of {len(prepared.choices)} photos are used{f'; left out: {told}' if told else ''}. "
        f"See {prepared.directory / 'contact-sheet.png'}; to decide otherwise, write yes or no under `use` in "
        f"{prepared.directory / 'selection.csv'} and run the same command again."
    )
