"""The same job twice, in two folders, gives the same files, but for what a run measures of itself and its name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import ModuleType


def test_two_runs_differ_in_their_names_and_seconds_alone(job: ModuleType, tmp_path: Path) -> None:
    runs = [tmp_path / name for name in ("one", "two")]
    for run in runs:
        job.work(run, job.Shown())
    there = [{str(file.relative_to(run)) for file in run.rglob("*") if file.is_file()} for run in runs]
    assert there[0] == there[1]
    assert "report.html" in there[0]
    for name in there[0]:
        one, two = (told(run / name, run) for run in runs)
        assert one == two, name


def told(file: Path, run: Path) -> object:
    """What a file says, but for the run's name and the seconds that it took."""
    if file.name == "log.jsonl":
        events = map(json.loads, file.read_text().splitlines())
        return [{k: v for k, v in event.items() if k not in ("time", "seconds")} for event in events]
    if file.name == "report.html":
        text = re.sub(rf"\b{run.name}\b(?=\s·|</h1>|/config\.yaml|-again|</code>)", "NAME", file.read_text())
        return re.sub(r"(?<=<dd>)[\d.]+ (ms|s|min|h)\b(?=, \d+ looks)", "TIME", text)
    return file.read_bytes()
