"""Runs whose folder was changed by a machine, and what a report makes of them: a page, or a sentence."""

from __future__ import annotations

import copy
import io
import json
import math
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from gpk_cli.summary import show_outcome
from gpk_runs.log import read_log
from gpk_tasks.report.events import Done
from gpk_tasks.report.page import write_report

ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    10**30,
    10**400,
    0.5,
    5e-324,
    1e308,
    math.nan,
    math.inf,
    "",
    "x" * 5000,
    "\ud800\x1b[31m</script>",
    [],
    [None],
    {},
    {"": {"": None}},
    [[[[[]]]]],
)
"""What a field becomes, be it the field of an event, of a setting, or of what the run was made on."""
DROPPED = object()
SHAPES: tuple[bytes, ...] = (
    b"",
    b"null",
    b"[]",
    b"{}",
    b'"done"',
    b"1e999",
    b'{"event": null}',
    b'{"event": "done"}',
    b'{"event": "looks", "albums": {"train": {"columns": [], "photos": []}}}',
    b'{"event": "of a later gpk", "time": 0}',
    b'{"event": "tune", "step": 1, "l2": NaN, "perceptual": -Infinity}',
    b'{"event": "tune", "event": "done"}',
    b"[" * 100_000,
    b'{"event":' * 50_000,
    b'{"event": "done", "numbers": ' + b"9" * 5000 + b"}",
    b"\xff\xfe\x00",
    b"\xef\xbb\xbf{}",
)
"""Whole lines of other kinds."""
WIDE = json.dumps({"event": "looks", "albums": {"train": {"columns": ["a"] * 9000, "photos": ["b"] * 9000}}}).encode()


@pytest.fixture
def run(cat: Any, tmp_path: Path) -> Path:
    """A real run with the pictures of a photo of each album."""
    gone = shutil.ignore_patterns("*.safetensors", "report.html", "train.png", "held-out.png", "00[1-9]*")
    return Path(shutil.copytree(cat.run, tmp_path / "run", ignore=gone))


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where all values are in a value of JSON types, the whole left out."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*at, key)
        yield from places(value[key], (*at, key))


def changed(value: Any, at: tuple[Any, ...], to: Any) -> Any:
    """A copy with another value there, or none."""
    made = copy.deepcopy(value)
    holder = made
    for key in at[:-1]:
        holder = holder[key]
    if to is DROPPED:
        del holder[at[-1]]
    else:
        holder[at[-1]] = to
    return made


def told(values: list[Any]) -> bytes:
    """A log."""
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def flipped(content: bytes, rng: random.Random) -> bytes:
    """A few bytes are others, are gone, or were not there."""
    made = bytearray(content)
    for _ in range(rng.randint(1, 8)):
        place = rng.randrange(len(made))
        match rng.randrange(4):
            case 0:
                made[place] ^= 1 << rng.randrange(8)
            case 1:
                made[place] = rng.choice(b'"{}[],:\\\n\0-e9')
            case 2:
                del made[place : place + rng.randint(1, 40)]
            case _:
                made[place:place] = made[place : place + rng.randint(1, 40)]
    return bytes(made)


def attack(tally: Any, run: Path, file: str, inputs: Iterator[tuple[str, bytes]]) -> None:
    """Makes a report with each content of the file; a page says no more than what it was made of."""
    good = (run / file).read_bytes()
    for what, content in inputs:
        (run / file).write_bytes(content)
        tally.attempt(what, lambda: write_report(run))
    (run / file).write_bytes(good)
    assert write_report(run).finished


@pytest.mark.attack
def test_reports_of_logs_with_odd_fields(tally: Any, run: Path) -> None:
    events = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    inputs = (
        (f"{events[at[0]]['event']} {at[1:]} = {str(to)[:30]!r}", told(changed(events, at, to)))
        for at in places(events)
        for to in (*ODD, DROPPED)
    )
    attack(tally, run, "log.jsonl", inputs)


@pytest.mark.attack
def test_outcomes_of_finished_runs(tally: Any, run: Path) -> None:
    log = run / "log.jsonl"
    good = next(event for event in map(json.loads, log.read_text().splitlines()) if event["event"] == "done")

    def shown() -> None:
        (event,) = read_log(log)
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            for as_json in (True, False):
                show_outcome(asdict(event.read(Done)), run, as_json=as_json)

    for at in places(good):
        for to in (*ODD, DROPPED):
            log.write_bytes(told([changed(good, at, to)]))
            tally.attempt(f"{at} = {str(to)[:30]!r}", shown)


@pytest.mark.attack
def test_reports_of_logs_with_odd_lines(tally: Any, run: Path) -> None:
    lines = (run / "log.jsonl").read_bytes().splitlines(keepends=True)
    rng = random.Random(1)

    def inputs() -> Iterator[tuple[str, bytes]]:
        for k, line in enumerate(lines):
            others = {
                "dropped": [],
                "doubled": [line, line],
                "cut": [line[: len(line) // 2] + b"\n"],
                "joined": [line[:-1]],
                "last": [],
                **{str(shape[:20]): [shape + b"\n"] for shape in (*SHAPES, WIDE)},
            }
            for what, made in others.items():
                after = [line] if what == "last" else []
                yield f"line {k} {what}", b"".join([*lines[:k], *made, *lines[k + 1 :], *after])
        for k in range(100):
            yield f"order {k}", b"".join(rng.sample(lines, rng.randint(0, len(lines))))
            yield f"repeated {k}", b"".join(rng.choices(lines, k=40))

    attack(tally, run, "log.jsonl", inputs())


@pytest.mark.attack
@pytest.mark.parametrize("file", ["log.jsonl", "environment.json", "config.yaml"])
def test_reports_with_bytes_flipped(tally: Any, run: Path, file: str) -> None:
    rng, good = random.Random(2), (run / file).read_bytes()
    attack(tally, run, file, ((f"{file} {k}", flipped(good, rng)) for k in range(500)))


@pytest.mark.attack
@pytest.mark.parametrize(
    ("file", "read", "write"),
    [
        ("environment.json", json.loads, lambda value: json.dumps(value).encode()),
        ("config.yaml", yaml.safe_load, lambda value: yaml.safe_dump(value, allow_unicode=False).encode()),
    ],
    ids=["environment", "config"],
)
def test_reports_of_odd_settings(
    tally: Any, run: Path, file: str, read: Callable[[str], Any], write: Callable[[Any], bytes]
) -> None:
    good = read((run / file).read_text())
    inputs = (
        (f"{file} {at} = {str(to)[:30]!r}", write(changed(good, at, to)))
        for at in places(good)
        for to in (*ODD, DROPPED)
        if to != 10**400 or file != "config.yaml"
    )
    attack(tally, run, file, inputs)


@pytest.mark.attack
def test_reports_with_odd_pictures(tally: Any, run: Path) -> None:
    rng = random.Random(3)
    looks = run / "pictures/looks/train"
    for file in (looks / "000-photo.webp", looks / "000-pretrained.webp", run / "pictures/turntable.webp"):
        good = file.read_bytes()
        name = str(file.relative_to(run))
        others = [
            b"",
            b"RIFF",
            good[: len(good) // 2],
            b"\x89PNG\r\n\x1a\n" + bytes(30) + b"IEND\0\0\0\0",
            b"GIF89a" * 9,
        ]
        attack(tally, run, name, ((f"{name} {other[:8]!r}", other) for other in others))
        attack(tally, run, name, ((f"{name} {k}", flipped(good, rng)) for k in range(150)))
