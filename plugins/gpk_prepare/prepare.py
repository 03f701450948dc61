r"""Raw photos into an album that a personalization takes.

    photos ──take in──▶ crops, measures, whose they are ──sort──▶ good ones ──pose──▶ cameras ──▶ selection.csv

What is decided is drawn anew from the measures at every call, so that an edited selection.csv, a photo more, or a
stopped run all lead to the same album. It may be stopped in the middle of anything: what the state has is whole at any
moment, and is saved on the way out.

Nothing is deleted and nothing is moved: the raw photos stay as they are, every crop stays in the album, and
selection.csv says which are used. `gpk_photos.album.open_album` obeys it, so an edit counts at once, even where the
command is not run again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gpk.context import Context
from gpk.errors import AlbumError, GpkError
from gpk.logger import Logger
from gpk_photos import write_labels
from gpk_photos.album import photos_among
from gpk_photos.contents import Reader, album_files
from gpk_photos.kinds import SHEET
from gpk_photos.reading import Find
from gpk_photos.selection import SELECTION, Choice, read_decisions, write_selection
from gpk_prepare.intake import take_in
from gpk_prepare.posing import given, posed
from gpk_prepare.settings import Preparation
from gpk_prepare.sheet import write_contact_sheet
from gpk_prepare.sorting import Pose, choices, sort_photos
from gpk_prepare.state import PreparationState, opened, saving
from gpk_prepare.strangers import random_subjects
from gpk_runs.interrupt import stopped_at_once

SAVE_EVERY = 20.0  # seconds


@dataclass(frozen=True)
class Instruments:
    """What looks at the photos: `find` says where the squares are, `judge` who it is, and `context` has the generator
    whose cameras they get; None where something is not here, and `missing` says what and how to get it. `labels` are
    the cameras [25] that the user gave, by photo.
    """

    find: Find
    judge: torch.nn.Module | None = None
    context: Context | None = None
    missing: GpkError | None = None
    labels: Mapping[str, Tensor] | None = None


@dataclass(frozen=True)
class Prepared:
    """An album: its folder, the lines of its selection, and sentences on what was odd in the user's own, or
    is no photo.
    """

    directory: Path
    choices: Sequence[Choice]
    notes: list[str]

    @property
    def used(self) -> list[Choice]:
        """The lines whose photos are used."""
        return [each for each in self.choices if each.use]


def prepare(source: Path, out: Path, settings: Preparation, eyes: Instruments, logger: Logger) -> Prepared:
    """The album of the photos in the folder or zip `source`, made in `out` or gone on with.

    Raises AlbumError where there are no photos, InputError for a selection that can't be read, RunError for a folder
    that can't be used, `eyes.missing` where cameras are wanted and there is no generator, after everything else is
    done; KeyboardInterrupt, with the state saved, when asked to stop.
    """
    _require_apart(source, out)
    with album_files(source) as files:
        found = photos_among(files, source)  # before anything is made
        with opened(out, settings) as state, stopped_at_once() as go_on:
            save = saving(state, SAVE_EVERY, time.monotonic)

            def tick() -> None:
                go_on()
                save(False)

            try:
                prepared = _prepared(found.photos, state, out, settings, eyes, logger, tick)
            except KeyboardInterrupt:
                save(True)
                told = f"the work so far is saved in {out}; the same command goes on from there"
                raise KeyboardInterrupt(told) from None
        if others := found.others():
            prepared.notes.append(f"Passed over in {source}: {others}")
        return prepared


def _prepared(
    files: Mapping[str, Reader],
    state: PreparationState,
    out: Path,
    settings: Preparation,
    eyes: Instruments,
    logger: Logger,
    tick: Callable[[], None],
) -> Prepared:
    """`prepare`, which may be stopped anywhere: what the state has is whole at any moment."""
    path = out / SELECTION
    decisions, notes = read_decisions(path, list(files)) if path.exists() else ({}, [])
    take_in(files, state, out, find=eyes.find, side=settings.side, judge=eyes.judge, logger=logger, tick=tick)
    state.save()
    if eyes.judge is not None and eyes.context is not None:
        for strangers in random_subjects(eyes.context.generator, eyes.judge, logger, known=state.strangers):
            state.strangers = strangers
            tick()
    found = sort_photos(state.readings, state.features, state.strangers, settings.pick)
    poses: dict[str, Pose] = {}
    if settings.cameras:
        poses = given(eyes.labels or {}, found.faces)
        wanted = [name for name in found.faces if decisions.get(name, not found.reasons[name])]
        unlabelled = {name: found.faces[name] for name in wanted if name not in poses}
        if eyes.context is not None and unlabelled:
            poses |= posed(unlabelled, files, settings, state, eyes.context, out=out, logger=logger, tick=tick)
        labelled = {found.faces[name].crop: pose.label for name, pose in sorted(poses.items())}
        write_labels(out, list(labelled), torch.tensor(list(labelled.values())).reshape(-1, 25))
    lines = choices(state.readings, found, poses, decisions)
    write_selection(path, lines)
    write_contact_sheet(out / SHEET, out, lines, state.readings)
    state.save()
    if eyes.missing is not None and len(poses) < len(found.faces):
        count = f"{len(found.faces)} photo{' is' if len(found.faces) == 1 else 's are'}"
        raise type(eyes.missing)(f"{count} cut and judged in {out}, and cameras are missing still: {eyes.missing}")
    return Prepared(out, lines, notes)


def _require_apart(source: Path, out: Path) -> None:
    raw, album = source.resolve(), out.resolve()
    if raw == album or raw in album.parents:
        raise AlbumError(f"the album {out} would lie among the raw photos in {source}: give another --out")
