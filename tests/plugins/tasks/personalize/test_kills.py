"""Twenty times kill -9 over one run, and the persona is that of a run that nobody touched."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kills import parts, wait_for_part

from gpk_runs.state import read_state

HERE = Path(__file__).parents[1]
KILLS = 20
LAST = 6
"""Kills kept for the end: saving the persona and the report, a moment that chance alone would miss."""
PERSONA = "small.persona.safetensors"

DESCENT = ("the start", "inversion", "tuning")


class Job:
    """The job as a process, which is ready when this is made."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._ready = self._wait("ready")

    def _wait(self, word: str) -> float:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.strip() == word:
                break
        return time.monotonic()

    def said(self, word: str) -> float:
        """Waits for "begun" or "tuned"; the seconds since it was ready."""
        return self._wait(word) - self._ready

    def ended(self) -> float:
        """Waits for the end; the seconds since it was ready."""
        self.process.communicate(timeout=600)
        assert self.process.returncode == 0
        return time.monotonic() - self._ready

    def kill(self) -> bool:
        """Kills it, as `kill -9` does; False where it had ended before."""
        self.process.kill()
        self.process.communicate(timeout=600)
        return self.process.returncode != 0


@pytest.fixture(scope="module")
def begin(running: Callable[..., Any]) -> Iterator[Callable[[Path], Job]]:
    """Starts the job in a folder; it ends with the tests."""
    with ExitStack() as started:

        def job(run: Path) -> Job:
            command = (sys.executable, HERE / "job.py", run, "--long")
            options = {"stdout": subprocess.PIPE, "env": os.environ | {"OMP_NUM_THREADS": "1"}}
            return Job(started.enter_context(running(*command, seconds=600, **options)))

        yield job


@dataclass(frozen=True)
class Usual:
    """A run that nobody touched, with the seconds from its start to the first step, to the last one, and to the end."""

    run: Path
    lead: float
    descent: float
    rest: float


@pytest.fixture(scope="module")
def usual(begin: Callable[[Path], Job], tmp_path_factory: pytest.TempPathFactory) -> Usual:
    run = tmp_path_factory.mktemp("usual") / "run"
    job = begin(run)
    begun, tuned = job.said("begun"), job.said("tuned")
    return Usual(run, begun, tuned - begun, job.ended() - tuned)


def events(run: Path) -> list[dict[str, object]]:
    lines = (run / "log.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in ("time", "seconds")} for line in lines]


def place(run: Path) -> str:
    """Where a killed run had got to."""
    state = run / "state.safetensors"
    if not state.exists():
        return "the end" if (run / PERSONA).exists() else "the start"
    stage, step = (read_state(state)[1].get(key) for key in ("stage", "step"))
    if stage == "tune" and step == 80:
        return "report" if (run / PERSONA).exists() else "saving the persona"
    return "tuning" if stage == "tune" else "inversion"


@pytest.mark.slow
@pytest.mark.parametrize("seed", [7])
def test_twenty_kills_change_nothing(begin: Callable[[Path], Job], usual: Usual, tmp_path: Path, seed: int) -> None:
    rng, run = random.Random(seed), tmp_path / "run"
    places: Counter[str] = Counter()
    files: Counter[str] = Counter()
    kills = ended = 0
    print(
        f"\nseed {seed}; a run that nobody touches takes {usual.lead:.2f} s to its first step, "
        f"{usual.descent:.2f} s of steps, and {usual.rest:.2f} s to save and report"
    )
    while kills < KILLS:
        old, at = parts(run), place(run)
        job = begin(run)
        if kills < KILLS - LAST:
            if kills % 5 == 0:
                after = rng.uniform(0, usual.lead)
            else:
                job.said("begun")
                # All of them together come about as far as the last step.
                after = rng.uniform(0, 3 * usual.descent / (KILLS - LAST))
        elif at in DESCENT:
            job.said("tuned")
            after = rng.uniform(0, 0.8 * usual.rest)
        else:
            after = rng.uniform(0, 0.6 * (usual.lead + usual.rest) if at != "the end" else 0.5 * usual.lead)
        time.sleep(after)
        if kills % 4 == 3 and at != "the end":
            wait_for_part(run, old, lambda process=job.process: process.poll() is None)
        if not job.kill():  # it was quicker than the one that was measured
            ended += 1
            assert ended < KILLS
            continue
        kills += 1
        where, torn = place(run), sorted(name for name, _ in parts(run) - old)
        places[where] += 1
        files.update(torn)
        print(f"kill {kills:2}, {after:.3f} s: {where}{', writing ' if torn else ''}{', '.join(torn)}")
    print(f"{dict(places)}; files cut off: {dict(files)}")
    begin(run).ended()
    assert (run / PERSONA).read_bytes() == (usual.run / PERSONA).read_bytes()
    assert events(run) == events(usual.run)
    lines = (run / "log.jsonl").read_text().splitlines()
    assert len(lines) == len(set(lines))
    assert not parts(run)
    assert (run / "report.html").exists()
    assert {"inversion", "tuning", "report"} <= places.keys()
