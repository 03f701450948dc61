"""The whole benchmark: every row for every individual, in as many processes as the machine has room for, resumable.

What is done stands in the run's log, a line a job; the same command does what is missing. Rows whose albums and
inversions are the same share their anchors.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch

from gpk_bench.jobs import Place, begin, find_anchors, make_row, networks
from gpk_bench.rows import Row
from gpk_bench.scores import INVENTED, VIEWS
from gpk_runs.run import Run
from gpk_tasks.personalize.settings import Inversion


@dataclass(frozen=True)
class Result:
    """What one row gave for one individual. Rows of one `way` differ in nothing but the album's size; `persona` is
    its file in the run's folder, None where nothing was tuned. Of the `figures` (`scores.judged`, and what it cost)
    `images_seen` and `seconds` are of tuning, `anchor_seconds` of the album's inversion, both as a core counts them,
    which other work on the machine does not change. None is what was no finite number.
    """

    row: str
    way: str
    subject: int
    photos: int
    persona: str | None
    figures: dict[str, float | None]


def measure(run: Run, place: Place, rows: Sequence[Row], *, subjects: int, workers: int = 1) -> list[Result]:
    """All results, those of an earlier run in the same folder included, rows outermost.

    Each of the `workers` is a process with `place.threads` threads.
    """
    there = _Finished(run)
    pairs = [(row, _Anchors(row.settings.inversion, row.photos)) for row in rows]
    inversions = sorted({anchors for _, anchors in pairs}, key=lambda anchors: anchors.name)
    everyone = range(subjects)
    with processes(workers, place.threads) as pool:
        jobs = [
            Job(find_anchors, (place, index, each.settings, each.count, each.name), each.key(index))
            for index in everyone
            for each in inversions
        ]
        _do(run, there, "anchors", jobs, pool)
        jobs = [
            Job(make_row, (place, index, row, anchors.name), anchors.key(index, row))
            for index in everyone
            for row, anchors in pairs
        ]
        _do(run, there, "rows", jobs, pool)
    results = []
    for row, anchors in pairs:
        for index in everyone:
            figures = there.outcome(anchors.key(index, row))
            figures["anchor_seconds"] = there.outcome(anchors.key(index)).get("seconds")
            persona = str(place.persona(index, row).relative_to(place.out)) if row.tuned else None
            results.append(Result(row.name, row.way, index, row.photos, persona, figures))
    return results


def facts_of(place: Place) -> dict[str, Any]:
    """What decides the results beside the rows: individuals, and the sha256 of every network that has a say."""
    return {
        "task": "bench minicat",
        "seed": place.seed,
        "networks": {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in networks(place).items()},
        "protocol": {
            "views": [list(view) for view in VIEWS],
            "invented": INVENTED,
            "placement": asdict(place.placement),
        },
    }


@dataclass(frozen=True)
class _Anchors:
    """Anchors that rows share: how they are found, and how many."""

    settings: Inversion
    count: int

    @property
    def name(self) -> str:
        """What their file is called."""
        plain = json.dumps([asdict(self.settings), self.count], sort_keys=True)
        return f"anchors-{hashlib.sha256(plain.encode()).hexdigest()[:8]}"

    def key(self, subject: int, row: Row | None = None) -> str:
        """What the log calls the finding of them, or a row made on them."""
        return f"{subject}/{self.name}" + ("" if row is None else f"/{row.digest}")


class Job(NamedTuple):
    """A function, its arguments, and what the log calls it."""

    function: Callable[..., dict[str, Any]]
    arguments: tuple[Any, ...]
    key: str


@dataclass(frozen=True)
class _Logged:
    """What an event `done` holds."""

    key: str
    outcome: dict[str, float | None]


class _Finished:
    """What the run's log says is done."""

    def __init__(self, run: Run) -> None:
        self.run = run
        done = [event.read(_Logged) for event in run.read_log() if event["event"] == "done"]
        self.outcomes = {each.key: each.outcome for each in done}

    def __contains__(self, job: Job) -> bool:
        return job.key in self.outcomes

    def outcome(self, key: str) -> dict[str, Any]:
        return dict(self.outcomes[key])

    def add(self, job: Job, outcome: dict[str, Any]) -> None:
        self.outcomes[job.key] = outcome
        self.run.record("done", {"key": job.key, "outcome": outcome})
        self.run.save_state({"done": torch.tensor(len(self.outcomes))}, {})  # a log is kept as far as a state knows it


def _do(run: Run, there: _Finished, stage: str, jobs: Sequence[Job], pool: ProcessPoolExecutor) -> None:
    """Does the jobs that are not done, and logs each as it ends."""
    missing = [job for job in jobs if job not in there]
    done = len(jobs) - len(missing)
    run.progress(stage, done, len(jobs), {})
    pending = {pool.submit(job.function, *job.arguments): job for job in missing}
    for future in as_completed(pending):
        there.add(pending[future], future.result())
        done += 1
        run.progress(stage, done, len(jobs), {})


@contextmanager
def processes(workers: int, threads: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that do jobs. Where one fails, what is not begun is left."""
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=begin, initargs=(threads,))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
