r"""Whether `gpk prepare` should read photos in threads or in processes: seconds for the same photos, in turns.

    python benchmarks/prepare_reading.py FOLDER [FOLDER] --detector opencv-cat [--workers 2] [--rounds 3] [--most 24]

A reading is everything that is done to one raw photo: its file, its sha256, decoding, detecting, cutting, measuring and
writing of crops. Processes are started before the clock is, so that what they take to import torch is told apart.
Within a round the ways take turns, so that a busy minute of the machine falls on all of them. Prints JSON: seconds of
each round, and the ratio of threads' to processes', the median of the rounds' own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch

from gpk.framing import Framing
from gpk.registry import Registry
from gpk_photos.album import photo_names
from gpk_photos.contents import album_files
from gpk_photos.finding import by_detector, in_the_middle
from gpk_photos.reading import Find, sha256_of, take

Work = tuple[Path, str, Path, int]
"""A folder, the name of a photo in it, the album to write crops into, and their side."""


def finder(detector: str) -> Find:
    """What finds faces; the middle where the name is empty."""
    if not detector:
        return in_the_middle
    card = Registry.discover(plugins=False).detector(detector)
    return by_detector(lambda: card.load(None), Framing())


class Reads:
    """A process's own finder: closures do not travel."""

    find: Find

    @classmethod
    def begin(cls, detector: str) -> None:
        """What a process does first."""
        torch.set_num_threads(1)
        cls.find = staticmethod(finder(detector))

    @classmethod
    def one(cls, work: Work) -> int:
        """Reads one photo; how many faces it had."""
        folder, name, album, side = work
        with album_files(folder) as files:
            content, sha256, trouble = sha256_of(files[name])
        return 0 if trouble else len(take(name, content, sha256, find=cls.find, side=side, album=album).faces)


def seconds(run: Callable[[Iterable[Work]], Iterable[int]], work: list[Work]) -> tuple[float, int]:
    """How long all of it took, and how many faces there were."""
    began = time.perf_counter()
    faces = sum(run(work))
    return time.perf_counter() - began, faces


def main() -> None:
    """Measures, and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--detector", default="")
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--most", type=int, default=24, help="Photos of a folder.")
    chosen = parser.parse_args()
    Reads.begin(chosen.detector)
    with tempfile.TemporaryDirectory() as home:
        work = [
            (folder, name, Path(home), chosen.side)
            for folder in chosen.folders
            for name in photo_names(folder)[: chosen.most]
        ]
        began = time.perf_counter()
        spawned = ProcessPoolExecutor(
            chosen.workers, mp_context=get_context("spawn"), initializer=Reads.begin, initargs=(chosen.detector,)
        )
        with spawned as processes, ThreadPoolExecutor(chosen.workers) as threads:
            list(processes.map(Reads.one, work[: 4 * chosen.workers]))
            started = time.perf_counter() - began
            list(threads.map(Reads.one, work[: 4 * chosen.workers]))
            ways: dict[str, Callable[[Iterable[Work]], Iterable[int]]] = {
                "one after the other": lambda works: map(Reads.one, works),
                "threads": _each(threads),
                "processes": _each(processes),
            }
            found: dict[str, list[float]] = {way: [] for way in ways}
            faces = set()
            for _ in range(chosen.rounds):
                for way, run in ways.items():
                    took, count = seconds(run, work)
                    found[way].append(round(took, 2))
                    faces.add(count)
    assert len(faces) == 1, "every way reads the same"
    ratios = [a / b for a, b in zip(found["threads"], found["processes"], strict=True)]
    told = {
        "photos": len(work),
        "faces": faces.pop(),
        "seconds": found,
        "seconds to start processes": round(started, 2),
        "threads to processes": round(statistics.median(ratios), 2),
        "threads to one after the other": round(
            statistics.median(a / b for a, b in zip(found["threads"], found["one after the other"], strict=True)), 2
        ),
    }
    print(json.dumps(told, indent=1))


def _each(pool: Executor) -> Callable[[Iterable[Work]], Iterable[int]]:
    return lambda works: pool.map(Reads.one, works)


if __name__ == "__main__":
    main()
