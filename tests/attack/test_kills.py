"""kill -9 at random moments of a command: the same command goes on, to what an untouched one gives.

The commands run in children of this process, which has imported all that they need: the moments fall into the work, and
not into the imports.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

from gpk.errors import GpkError
from gpk_checkpoints.parts import SUFFIX
from gpk_cli import main

KILLS = 20
MEASURED = ("time", "seconds")
"""What a log tells of the run itself, in seconds."""
COMMANDS = {
    "album": "minicat album OUT --photos 8 --held-out 2",
    "synthesize": "run synthesize RUN --count 4 --device cpu --out OUT",
}


class Child:
    """A command in a child process."""

    def __init__(self, command: list[str]) -> None:
        with warnings.catch_warnings():  # of a fork where a library has threads
            warnings.simplefilter("ignore")
            self._id = os.fork()
        if not self._id:
            code = 1
            try:
                silent = os.open(os.devnull, os.O_RDWR)
                for stream in (0, 1, 2):
                    os.dup2(silent, stream)
                code = main(command)
            finally:
                os._exit(code)

    def kill(self) -> bool:
        """Kills it, as `kill -9` does; False where it had ended before."""
        os.kill(self._id, signal.SIGKILL)
        return self.ended() == -signal.SIGKILL

    def ended(self) -> int:
        """Waits for its end: its exit code."""
        return os.waitstatus_to_exitcode(os.waitpid(self._id, 0)[1])


@pytest.mark.attack
@pytest.mark.parametrize("name", COMMANDS)
def test_kills(tally: Any, cat: Any, tmp_path: Path, name: str) -> None:
    """Each time killed once and gone on with; the kills that came too late are counted, and told."""
    places = {"RUN": str(cat.run)}

    def command(out: Path) -> list[str]:
        return [{**places, "OUT": str(out)}.get(word, word) for word in COMMANDS[name].split()]

    rng, hit = random.Random(18), 0
    assert Child(command(tmp_path / "warm" / "out")).ended() == 0
    begun = time.monotonic()
    assert Child(command(tmp_path / "usual" / "out")).ended() == 0
    lasts = time.monotonic() - begun
    usual = results(tmp_path / "usual")
    for number in range(KILLS):
        out = tmp_path / str(number) / "out"
        out.parent.mkdir()
        child, after = Child(command(out)), rng.uniform(0, lasts)
        time.sleep(after)
        hit += child.kill()

        def go_on(out: Path = out) -> None:
            if (code := Child(command(out)).ended()) != 0:
                raise GpkError(f"the same command ends with {code}")

        what = f"kill {number} after {after:.3f} of {lasts:.3f} s"
        tally.attempt(what, go_on)
        now = results(out.parent)
        differing = sorted(file for file in usual | now if usual.get(file) != now.get(file))
        if differing:
            tally.fail(what, f"other than in an untouched run: {', '.join(differing)}")
    print(f"{name}: {hit} of {KILLS} kills before its end, after {lasts:.2f} s")
    assert hit
    assert not tally.refused


def results(folder: Path) -> dict[str, bytes | None]:
    """What is in a folder, without what a run measures of itself; None for a folder."""
    return {str(path.relative_to(folder)): _content(path) for path in folder.rglob("*")}


def _content(path: Path) -> bytes | None:
    assert not path.name.endswith(SUFFIX), path
    if path.is_dir():
        return None
    if path.name == "log.jsonl":
        events = map(json.loads, path.read_text().splitlines())
        return json.dumps([{k: v for k, v in event.items() if k not in MEASURED} for event in events]).encode()
    if path.name == "report.html":
        return re.sub(rb"[\d.]+ (ms|s|min)\b", b"some time", path.read_bytes())
    return path.read_bytes()
