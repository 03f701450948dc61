"""kill -9 at random moments: the same command goes on, comes to what an undisturbed one does, and leaves nothing else.

A command that is killed may leave its part, hidden and beside what it was to become, until it is called again.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from kills import Jobs, kill

pytestmark = [pytest.mark.attack, pytest.mark.skipif(sys.platform == "win32", reason="no fork there")]
KILLS = 20
ROWS = "a little: {photos: 2, inversion: {steps: 2}, tuning: {steps: 2, batch: 1}}"
ON = "--device cpu --out new"
QUICK = "--protocol quick --steps 10"
COMMANDS = {
    "minicat album": "minicat album new --photos 12 --seed 7",
    "prepare": f"prepare {{base}}/raw --backend eg3d-minicat {ON}",
    "evaluate": f"evaluate {{base}}/job --quick --pictures 8 --placement-steps 4 --tasks inversion,synthesis "
    f"--against pretrained --held-out 1 --pti-steps 4 {ON}",
    "bench": "bench minicat --rows {base}/rows.yaml --subjects 1 --workers 1 --out new",
    "run edit": f"run edit {{base}}/job --attribute openness --samples 64 {ON}",
    "run interpolate": f"run interpolate {{base}}/job --pairs 2 --frames 8 --steps 4 {ON}",
    "run invert": f"run invert {{base}}/job --album {{base}}/cat/held-out {QUICK} {ON}",
    "run mesh": f"run mesh {{base}}/job --resolution 64 {ON}",
    "run render": f"run render {{base}}/job --frames 8 --samples 1 {ON}",
    "run restore": f"run restore {{base}}/job --mask centre --album {{base}}/cat/held-out {QUICK} {ON}",
    "run synthesize": f"run synthesize {{base}}/job --count 8 {ON}",
    "run views": f"run views {{base}}/job --frames 8 {ON}",
}


class Count(Protocol):
    """`Tally` of conftest.py, as far as it is needed."""

    taken: int

    def fail(self, what: str, why: str) -> None:
        """Notes a failure."""


@pytest.fixture(scope="module")
def jobs(running: Callable[..., Any]) -> Iterator[Jobs]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with running(sys.executable, Path(__file__).with_name("kills.py"), seconds=3600, **pipes) as server:
        yield Jobs(server)


@pytest.fixture(scope="module")
def base(jobs: Jobs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the commands work on: an album, a run on it, a phone's photos, and the rows of a benchmark."""
    folder = tmp_path_factory.mktemp("base")
    for command in (
        "minicat album cat --seed 7 --photos 4 --held-out 2",
        "minicat album phone --phone --photos 10 --held-out 0 --seed 321",
        "personalize cat/train --held-out cat/held-out --backend eg3d-minicat --device cpu --steps 4 --anchor-steps 4 "
        "--out job",
    ):
        jobs.begin(folder, command.split())
        assert jobs.end(kill=False) == 0, command
    (folder / "raw").mkdir()
    for photo in sorted((folder / "phone/raw").iterdir())[:5]:
        shutil.copy(photo, folder / "raw")
    (folder / "rows.yaml").write_text(ROWS)
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_killed(jobs: Jobs, base: Path, tmp_path: Path, tally: Count, name: str) -> None:
    command = COMMANDS[name].format(base=base).split()
    done = kill(jobs, command, tmp_path, kills=KILLS, rng=random.Random(name))
    print(f"{name}: {done}")
    if done.differing:
        tally.fail(f"after {done.hits} kills", f"not as usual: {', '.join(done.differing[:5])}")
    else:
        tally.taken += done.hits
    assert done.hits == KILLS
