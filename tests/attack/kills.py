"""Kills at random moments, as `kill -9` does it, and what is compared afterwards.

`python kills.py` imports gpk once. For each line of its input, a folder and a command's words as JSON, it forks a
process that does the command in that folder, and prints "begun"; at the next line, "kill" or "wait", it kills the
process or not, and prints its exit code, below 0 for a signal.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpk_checkpoints.parts import SUFFIX
from gpk_runs.state import read_state

SAVE_EVERY = 0.1
"""Seconds, where jobs of hours save their state each 20."""
MEASURED = ("time", "seconds", "anchor_seconds")
"""What a run tells of its clock: nothing else may differ from one run to the next."""


def parts(folder: Path) -> set[tuple[str, int]]:
    """What is being written, or was when it was killed, each part with the time of its last byte."""
    found = set()
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            if name.endswith(SUFFIX):
                with contextlib.suppress(FileNotFoundError):  # whole by now
                    found.add((name, Path(root, name).stat().st_mtime_ns))
    return found


def wait_for_part(folder: Path, old: set[tuple[str, int]], alive: Callable[[], bool]) -> None:
    """Waits until a file is written: chance alone would seldom meet the millisecond."""
    while parts(folder) <= old and alive():
        pass


def told(folder: Path) -> dict[str, object]:
    """All that is in the folder, by path, without what was measured of the run."""
    return {str(file.relative_to(folder)): _content(file) for file in folder.rglob("*") if file.is_file()}


def _content(file: Path) -> object:
    if file.name == "state.safetensors":
        tensors, position = read_state(file)
        return {name: tensor.tolist() for name, tensor in tensors.items()}, _unmeasured(position)
    if file.suffix == ".jsonl":
        return [_unmeasured(json.loads(line)) for line in file.read_text().splitlines()]
    if file.suffix == ".json":
        return _unmeasured(json.loads(file.read_text()))
    return file.read_bytes()


def _unmeasured(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unmeasured(each) for key, each in value.items() if key not in MEASURED}
    return [_unmeasured(each) for each in value] if isinstance(value, list) else value


@dataclass
class Jobs:
    """Commands as processes, forked from one where all is imported: a kill meets work, not imports."""

    server: subprocess.Popen[str]

    def begin(self, folder: Path, command: Sequence[str]) -> None:
        """Begins the command in the folder."""
        assert self._answer(json.dumps([str(folder), *command])) == "begun"

    def end(self, *, kill: bool) -> int:
        """Kills it, or waits for it; the exit code."""
        return int(self._answer("kill" if kill else "wait"))

    def _answer(self, line: str) -> str:
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        print(line, file=self.server.stdin, flush=True)
        return self.server.stdout.readline().strip()


@dataclass
class Killed:
    """What became of one command: kills that met it, commands that were quicker, files that were cut off, and how often
    it came to its end, where `differing` names what was not as usual.
    """

    hits: int = 0
    missed: int = 0
    cut: int = 0
    ends: int = 0
    differing: tuple[str, ...] = ()


def kill(jobs: Jobs, command: Sequence[str], room: Path, *, kills: int, rng: random.Random) -> Killed:
    """Does the command in a folder of its own, undisturbed, and in another one until so many kills met it, begun anew
    whenever it has come to its end.
    """
    usual, disturbed = room / "usual", room / "disturbed"
    usual.mkdir(parents=True)
    disturbed.mkdir()
    began = time.monotonic()
    jobs.begin(usual, command)
    assert jobs.end(kill=False) == 0
    whole, done = time.monotonic() - began, Killed()
    expected = told(usual)
    while done.hits < kills and done.missed < 3 * kills and not done.differing:
        old = parts(disturbed)
        jobs.begin(disturbed, command)
        after = time.monotonic() + rng.uniform(0, whole)
        if done.hits % 4 == 3:
            wait_for_part(disturbed, old, lambda after=after: time.monotonic() < after)
        else:
            time.sleep(after - time.monotonic())
        if jobs.end(kill=True) == -signal.SIGKILL:
            done.hits += 1
            done.cut += bool(parts(disturbed) - old)
        else:
            done.missed += 1
            whole *= 0.95  # the first one, which was measured, met cold files
            _compare(done, expected, disturbed)
            disturbed.rename(room / f"end-{done.ends}")
            disturbed.mkdir()
    jobs.begin(disturbed, command)
    code = jobs.end(kill=False)
    _compare(done, expected, disturbed)
    if code:
        done.differing += (f"exit code {code}",)
    return done


def _compare(done: Killed, expected: dict[str, object], folder: Path) -> None:
    now = told(folder)
    done.ends += 1
    done.differing += tuple(
        sorted(name for name in expected.keys() | now.keys() if expected.get(name) != now.get(name))
    )


def serve(lines: Iterator[str]) -> None:
    """Forks, for every command, the process that does it."""
    for line in lines:
        folder, *command = json.loads(line)
        child = os.fork()
        if not child:
            code = 1
            try:
                os.chdir(folder)
                out = os.open(os.devnull, os.O_WRONLY)
                os.dup2(out, 1)
                code = main(command)
            finally:
                os._exit(code)
        print("begun", flush=True)
        if next(lines).strip() == "kill":
            os.kill(child, signal.SIGKILL)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    import matplotlib.figure  # noqa: F401 - imported here, so that the forked ones need not
    import torch

    import gpk_bench.benchmark  # noqa: F401
    import gpk_evaluate.evaluation  # noqa: F401
    import gpk_prepare.prepare
    import gpk_tasks.personalize.personalize  # noqa: F401
    from gpk_cli import main
    from gpk_tasks import keeping

    torch.set_num_threads(1)
    torch.optim.Adam([torch.zeros(1)])  # the first one imports half of torch
    keeping.SAVE_EVERY = gpk_prepare.prepare.SAVE_EVERY = SAVE_EVERY
    serve(iter(sys.stdin.readline, ""))
