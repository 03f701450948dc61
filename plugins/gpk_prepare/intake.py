r"""The raw photos of a folder taken in: each read once, in threads, and shown to the judge.

The large files are opened here and nowhere else. Decoding, shrinking and OpenCV let go of Python's lock, so threads do
it (`benchmarks/prepare_reading.py` measures them against processes). At any moment a few photos are in memory, never
the folder. The judge looks in the calling thread, at one picture at a time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from gpk.logger import Logger
from gpk_photos import read_image
from gpk_photos.contents import Reader
from gpk_photos.reading import Find, Reading, sha256_of, take
from gpk_prepare.sorting import Features
from gpk_prepare.state import PreparationState
from gpk_runs.pictures import made_by_gpk

MOST_THREADS = 8
"""Photos of 12 megapixels that are in memory at once, at 0.2 GB each."""


def take_in(
    files: Mapping[str, Reader],
    state: PreparationState,
    out: Path,
    *,
    find: Find,
    side: int,
    judge: torch.nn.Module | None,
    logger: Logger,
    tick: Callable[[], None],
) -> None:
    """Brings the state up to these files, in the order of their names; `tick` is called after each photo.

    Crops [3, side, side] go into the album `out`. What was read is known by its sha256 and not read again.
    """

    def read(name: str) -> Reading:
        content, sha256, trouble = sha256_of(files[name])
        if trouble:
            return Reading("", trouble=trouble)
        if made_by_gpk(content):
            return Reading(sha256, trouble="made by gpk: its metadata say so, and it shows nobody's photo")
        known = state.readings.get(name)
        if known is not None and known.sha256 == sha256 and all((out / face.crop).exists() for face in known.faces):
            return known
        return take(name, content, sha256, find=find, side=side, album=out)

    workers = min(os.cpu_count() or 1, MOST_THREADS)
    logger.progress("reading photos", 0, len(files), {})
    for done, (name, reading) in enumerate(in_threads(read, list(files), workers), start=1):
        state.readings[name] = reading
        if judge is not None:
            for face in reading.faces:
                if face.crop not in state.features:
                    state.features[face.crop] = _look(judge, read_image(out / face.crop))
        logger.progress("reading photos", done, len(files), {})
        tick()
    state.readings = {name: state.readings[name] for name in files}


def in_threads(read: Callable[[str], Reading], names: Sequence[str], workers: int) -> Iterator[tuple[str, Reading]]:
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
def _look(judge: torch.nn.Module, picture: Tensor) -> Features:
    """One picture at a time, so that what is seen does not depend on the others."""
    like = next(judge.parameters(), picture)
    plain, mirrored = (judge(each[None].to(like.device))[0].float().cpu() for each in (picture, picture.flip(2)))
    return Features(plain, mirrored)
