"""The two jobs of a benchmark, each for one subject: anchors, which rows share, and a row. Every job can run in a
process of its own and hands back JSON types; what is large goes to files.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from dataclasses import dataclass, field
from functools import lru_cache
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from typing import Any

import torch

from gpk.attach import attached
from gpk.context import Context
from gpk.logger import NullLogger
from gpk.precision import flush_denormals
from gpk_bench.rows import Row
from gpk_bench.scores import VIEWS, Instruments, judged
from gpk_bench.subjects import Photos, Subject, subject
from gpk_checkpoints.files import read_safetensors, write_safetensors
from gpk_checkpoints.personas import save_persona
from gpk_checkpoints.weights import load_generator
from gpk_minicat import distance, gpk_backends, identity, load_distance, load_identity, load_perceptual, perceptual
from gpk_runs.allocator import keep_heap
from gpk_tasks.personalize.inversion import find_codes
from gpk_tasks.personalize.personalize import untrained
from gpk_tasks.personalize.settings import Inversion
from gpk_tasks.personalize.tuning import tune
from gpk_tasks.placement import Placement

BACKEND = next(backend for backend in gpk_backends() if backend.name == "eg3d-minicat")


@dataclass(frozen=True)
class Place:
    """Where a benchmark works, on whom and how: its folder, the seed of its individuals, weights other than the
    embedded ones, the threads of each process, and how held-out photos are placed.
    """

    out: Path
    seed: int = 0
    weights: Path | None = None
    threads: int = 1
    placement: Placement = field(default_factory=Placement)

    def folder(self, index: int) -> Path:
        """What is kept of one subject."""
        return self.out / f"cat-{self.seed}-{index}"

    def persona(self, index: int, row: Row) -> Path:
        """The file of the row's persona of one subject."""
        return self.folder(index) / f"{row.digest}.persona.safetensors"


def begin(threads: int) -> None:
    """Prepares a process for jobs, which ends with the one that began it, even where that is killed."""
    if parent := multiprocessing.parent_process():
        Thread(target=_end_with, args=(parent,), daemon=True).start()
    torch.set_num_threads(threads)
    flush_denormals()
    keep_heap()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def networks(place: Place) -> dict[str, Path]:
    """The weights files that decide the results, by what they do."""
    prior = place.weights or BACKEND.card.weights
    assert prior is not None
    return {"prior": prior, "loss": distance.WEIGHTS, "judge": identity.WEIGHTS, "distance": perceptual.WEIGHTS}


def find_anchors(place: Place, index: int, settings: Inversion, count: int, name: str) -> dict[str, Any]:
    """Inverts the subject's first `count` photos and keeps the anchors under `name`; returns the seconds of a core."""
    who = _subject(place.seed, index)
    context = _context(place, who, count)
    started = time.process_time()
    anchors = find_codes(context, settings, seed=place.seed)
    seconds = time.process_time() - started
    write_safetensors(place.folder(index) / f"{name}.safetensors", {"anchors": anchors}, {})
    return {"seconds": round(seconds, 1), "photos": count}


def make_row(place: Place, index: int, row: Row, anchors: str) -> dict[str, Any]:
    """Makes the row's persona of the subject, on anchors kept under a name, keeps it, and returns all its figures."""
    who = _subject(place.seed, index)
    context = _context(place, who, row.photos)
    w = read_safetensors(place.folder(index) / f"{anchors}.safetensors")[0]["anchors"]

    def figures(w: torch.Tensor) -> dict[str, float]:
        views = _views(place.seed, index)
        return judged(context, w, who, _instruments(), views=views, placement=place.placement, seed=place.seed)

    if not row.tuned:
        return {"numbers": 0, "bytes": 0, "seconds": 0.0, "images_seen": 0, **figures(w)}
    persona = untrained(context, row.settings, w)
    started = time.process_time()
    tune(context, persona, row.settings.tuning, seed=place.seed)
    seconds = time.process_time() - started
    file = place.persona(index, row)
    save_persona(file, persona)
    costs = {"numbers": persona.numbers, "bytes": file.stat().st_size, "seconds": round(seconds, 1)}
    with attached(context.generator, persona):
        return {**costs, "images_seen": persona.origin.images_seen, **figures(persona.anchors)}


def _context(place: Place, who: Subject, photos: int) -> Context:
    album = who.train.first(photos).album()
    return Context(BACKEND, BACKEND.card, _generator(place.weights), _distance(), album, NullLogger())


@lru_cache(1)
def _generator(weights: Path | None) -> Any:  # noqa: ANN401 - a Generator, which lru_cache hides
    return load_generator(BACKEND, BACKEND.card, weights)


@lru_cache(1)
def _distance() -> Any:  # noqa: ANN401 - as above
    return load_distance()


@lru_cache(1)
def _instruments() -> Instruments:
    """What reports: the backend's own distance is in the loss, and judges nothing here."""
    return Instruments(load_identity(), load_perceptual())


@lru_cache(8)
def _subject(seed: int, index: int) -> Subject:
    return subject(seed, index)


@lru_cache(8)
def _views(seed: int, index: int) -> tuple[Photos, ...]:
    """The subject's photos taken anew from each of VIEWS."""
    seen = _subject(seed, index).train.first(PHOTOS_TURNED)
    return tuple(seen.from_view(yaw, pitch) for yaw, pitch in VIEWS)


PHOTOS_TURNED = 12
"""Photos whose novel views are judged, or as many as a row's album has."""
