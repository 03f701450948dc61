r"""Raw photos into an album that a personalization takes.

    photos ──read──▶ crops, measures ──judge──▶ whose they are ──sort──▶ good ones ──pose──▶ cameras ──▶ selection.csv

Reading is the only part that opens the large files, and runs in threads: decoding, shrinking and OpenCV let go of
Python's lock. At any moment a few photos are in memory, never the folder. What is decided is drawn anew from the
measures at every call, so that an edited selection.csv, a photo more, or a stopped run all lead to the same album.

Nothing is deleted and nothing is moved: the raw photos stay as they are, every crop stays in the album, and
selection.csv says which are used. `gpk_photos.album.open_album` obeys it, so an edit counts at once, even where the
command is not run again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from corekit.bench import Bench, Journal
from corekit.errors import AlbumError, GpkError
from gpk_photos import read_image, write_labels
from gpk_photos.album import photo_names
from gpk_photos.contents import Reader, album_files
from gpk_photos.reading import Find, Reading, sha256_of, take
from gpk_photos.selection import SELECTION, Choice, read_decisions, write_selection
from gpk_prepare.ledger import Ledger, opened, saving
from gpk_prepare.posing import given, posed
from gpk_prepare.settings import Preparation
from gpk_prepare.sheet import write_contact_sheet
from gpk_prepare.sorting import Pose, Seen, choices, sort_photos
from gpk_prepare.strangers import random_subjects
from gpk_runs.interrupt import asked_to_stop

SAVE_EVERY = 20.0  # seconds
MOST_THREADS = 8
"""Photos of 12 megapixels that are in memory at once, at 0.2 GB each."""
SHEET = "contact-sheet.png"
FEWEST = 2
"""Photos that a personalization needs."""


@dataclass(frozen=True)
class Instruments:
    """What looks at the photos: `find` says where the squares are, `judge` who it is, and `bench` has the generator
    whose cameras they get; None where something is not here, and `missing` says what and how to get it.
    """

    find: Find
    judge: torch.nn.Module | None = None
    bench: Bench | None = None
    missing: GpkError | None = None
    labels: Mapping[str, Tensor] | None = None


@dataclass(frozen=True)
class Prepared:
    """An album: its folder, the lines of its selection, and sentences on what was odd in the user's own."""

    directory: Path
    choices: Sequence[Choice]
    notes: Sequence[str]

    @property
    def used(self) -> list[Choice]:
        """The lines whose photos are used."""
        return [each for each in self.choices if each.use]


def prepare(source: Path, out: Path, settings: Preparation, eyes: Instruments, journal: Journal) -> Prepared:
    """The album of the photos in the folder or zip `source`, made in `out` or gone on with.

    Raises AlbumError where there are no photos, InputError for a selection that can't be read, RunError for a folder
    that can't be used, `eyes.missing` where cameras are wanted and there is no generator, after everything else is
    done; KeyboardInterrupt, with the state saved, when asked to stop.
    """
    _require_apart(source, out)
    with album_files(source) as files, opened(out, settings) as ledger, asked_to_stop() as stopping:
        names = photo_names(source)
        path = out / SELECTION
        decisions, notes = read_decisions(path, names) if path.exists() else ({}, [])
        save = saving(ledger, SAVE_EVERY, time.monotonic)

        def tick() -> None:
            stop = stopping()
            save(stop)
            if stop:
                raise KeyboardInterrupt(f"the work so far is saved in {out}; the same command goes on from there")

        _read_all({name: files[name] for name in names}, ledger, settings, eyes, out, journal, tick)
        save(True)
        readings = {name: ledger.readings[name] for name in names}
        if ledger.strangers is None and eyes.judge is not None and eyes.bench is not None:
            ledger.strangers = random_subjects(eyes.bench.generator, eyes.judge, journal)
            save(True)
        found = sort_photos(readings, ledger.seen, ledger.strangers, settings.pick)
        poses: dict[str, Pose] = {}
        wanted = [
            name
            for name, face in found.faces.items()
            if settings.cameras and decisions.get(name, not found.reasons[name])
        ]
        if settings.cameras:
            poses = given(eyes.labels or {}, found.faces)
            unlabelled = [name for name in wanted if name not in poses]
            if eyes.bench is not None and unlabelled:
                poses |= posed(
                    unlabelled,
                    {name: found.faces[name].crop for name in unlabelled},
                    ledger,
                    eyes.bench,
                    out,
                    journal,
                    tick,
                )
        lines = choices(readings, found, poses, decisions)
        if settings.cameras:
            labelled = {found.faces[name].crop: pose.label for name, pose in sorted(poses.items())}
            write_labels(out, list(labelled), torch.tensor(list(labelled.values())).reshape(-1, 25))
        write_selection(path, lines)
        write_contact_sheet(out / SHEET, out, lines, readings)
        save(True)
    if eyes.missing is not None and len(poses) < len(found.faces):
        raise type(eyes.missing)(
            f"{len(found.faces)} photos are cut and judged in {out}, and cameras are missing still: {eyes.missing}"
        )
    return Prepared(out, lines, notes)


def _read_all(
    files: Mapping[str, Reader],
    ledger: Ledger,
    settings: Preparation,
    eyes: Instruments,
    out: Path,
    journal: Journal,
    tick: Callable[[], None],
) -> None:
    """Brings the ledger's readings up to the files; in threads, but kept in the order of the names."""
    before = ledger.readings
    ledger.readings = {}

    def read(name: str) -> Reading:
        content, sha256, trouble = sha256_of(files[name])
        if trouble:
            return Reading("", trouble=trouble)
        known = before.get(name)
        if known is not None and known.sha256 == sha256 and all((out / face.crop).exists() for face in known.faces):
            return known
        return take(name, content, sha256, find=eyes.find, side=settings.side, album=out)

    workers = min(os.cpu_count() or 1, MOST_THREADS)
    try:
        for done, (name, reading) in enumerate(_in_threads(read, list(files), workers), start=1):
            ledger.readings[name] = reading
            for face in reading.faces if eyes.judge is not None else ():
                if face.crop not in ledger.seen:
                    ledger.seen[face.crop] = _look(eyes.judge, read_image(out / face.crop))
            journal.progress("reading photos", done, len(files), {})
            tick()
    except BaseException:
        ledger.readings = before | ledger.readings
        raise


def _in_threads(read: Callable[[str], Reading], names: Sequence[str], workers: int) -> Iterator[tuple[str, Reading]]:
    """What `read` says of each name, in order, `workers` at a time, and no more than two rounds ahead."""
    pending: list[tuple[str, Future[Reading]]] = []
    waiting = iter(names)
    with ThreadPoolExecutor(workers) as pool:
        try:
            pending += [(name, pool.submit(read, name)) for name in islice(waiting, 2 * workers)]
            while pending:
                name, future = pending.pop(0)
                pending += [(other, pool.submit(read, other)) for other in islice(waiting, 1)]
                yield name, future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@torch.no_grad()
def _look(judge: torch.nn.Module | None, picture: Tensor) -> Seen:
    """One picture at a time, so that what is seen does not depend on the others."""
    assert judge is not None
    like = next(judge.parameters(), picture)
    plain, mirrored = (judge(each[None].to(like.device))[0].float().cpu() for each in (picture, picture.flip(2)))
    return Seen(plain, mirrored)


def _require_apart(source: Path, out: Path) -> None:
    raw, album = source.resolve(), out.resolve()
    if raw == album or raw in album.parents:
        raise AlbumError(f"the album {out} would lie among the raw photos in {source}: give another --out")
