"""The benchmark itself, on the embedded prior: all columns, and a second call that finds its work done."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gpk.errors import RunError
from gpk_bench.benchmark import facts_of, measure
from gpk_bench.jobs import Place
from gpk_bench.rows import read_rows
from gpk_bench.table import HEADINGS
from gpk_checkpoints.personas import load_persona
from gpk_cli import main
from gpk_runs.run import Run
from gpk_tasks.placement import Placement

ROWS = """
as it was: {tuned: false, photos: 2, inversion: {steps: 2}}
a little: {photos: 2, inversion: {steps: 2}, tuning: {steps: 3, batch: 2}}
"""


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A benchmark of one cat and two tiny rows, whose held-out photos are placed in a few steps; measured in a process
    of its own, and told by the command line, which finds the work done.
    """
    folder = tmp_path_factory.mktemp("bench")
    (folder / "rows.yaml").write_text(ROWS)
    quick = partial(Place, placement=Placement(steps=4))
    place, rows = quick(folder / "out"), read_rows(folder / "rows.yaml")
    with Run.open(place.out, facts_of(place)) as run:
        measure(run, place, rows, subjects=1)
    with pytest.MonkeyPatch.context() as here:
        here.setattr("gpk_bench.jobs.Place", quick)
        assert main(command(folder)) == 0
        yield folder


POOL = """
import os, time
from gpk_bench.benchmark import processes

if __name__ == "__main__":
    with processes(1, 1) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        time.sleep(600)
"""


def command(folder: Path, *more: str) -> list[str]:
    where = ["--rows", str(folder / "rows.yaml"), "--out", str(folder / "out")]
    return ["bench", "minicat", *where, "--subjects", "1", "--workers", "1", *more]


def test_every_column_is_measured_and_tuning_shows(out: Path) -> None:
    told = json.loads((out / "out" / "results.json").read_text())
    before, after = (result["figures"] for result in told["results"])
    assert HEADINGS.keys() <= after.keys() == before.keys()
    assert after["train_psnr"] > before["train_psnr"] + 0.5
    assert (before["numbers"], after["images_seen"]) == (0, 6)
    assert after["bytes"] < 1_000_000
    assert set(told["networks"]) == {"prior", "loss", "judge", "distance"}
    assert len(set(told["networks"].values())) == 4  # nothing that reports was in the loss
    nothing, persona = (result["persona"] for result in told["results"])
    assert nothing is None
    assert load_persona(out / "out" / persona).numbers == after["numbers"]


def test_what_is_done_is_not_done_again(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = (out / "out" / "log.jsonl").read_bytes()
    assert main(command(out, "--row", "as it was", "--json")) == 0
    assert (out / "out" / "log.jsonl").read_bytes() == log
    assert [result["row"] for result in json.loads(capsys.readouterr().out)["results"]] == ["as it was"]


def test_another_seed_is_another_benchmark(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(out, "--seed", "5")) == 2
    assert "seed is 0 there and 5 now" in capsys.readouterr().err


@pytest.mark.parametrize(
    "event", [{"key": 3, "outcome": {}}, {"outcome": {}}, {"key": "0/a", "outcome": {"psnr": "a"}}]
)
def test_an_outcome_in_the_log_that_is_none_is_refused(tmp_path: Path, event: dict[str, object]) -> None:
    with Run.open(tmp_path / "out", {}) as run:
        run.record("done", event)
        with pytest.raises(RunError, match=r"log\.jsonl, line 1: (key|outcome)\S* is .*put the line back"):
            measure(run, Place(tmp_path / "out"), [], subjects=0)


def test_where_it_is_killed_its_processes_end(running: Callable[..., Any], tmp_path: Path) -> None:
    """They hold its stdout open, and once waited for the next job for ever."""
    (tmp_path / "pool.py").write_text(POOL)
    with running(sys.executable, tmp_path / "pool.py", stdout=subprocess.PIPE) as process:
        assert int(process.stdout.readline()) > 0
        process.kill()
        assert not process.communicate(timeout=60)[0]
