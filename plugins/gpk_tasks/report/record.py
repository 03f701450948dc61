"""What the folder of a personalization tells, without generator, photos or torch: events, settings, small pictures.

All of it is read and checked here, once: what is behind works with values of their types (`events`).

    pictures/looks/train/000-photo.webp     photo 0 of the album, and beside it what the generator makes of it
    pictures/turntable.webp                 pretrained beside personalized, turning; of 3D generators

Files are found by album, place and column, never by a path that the log names: the folder may be a stranger's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gpk.errors import RunError
from gpk.typed import to_dataclass
from gpk_checkpoints.budget import Budget, parse_json, read_file
from gpk_runs.folder import CONFIG, ENVIRONMENT
from gpk_runs.log import read_log
from gpk_runs.settings import read_config
from gpk_tasks.report.events import KINDS, UNTOLD, Asked, Looks

T = TypeVar("T")

LOOKS = Path("pictures/looks")
TURNTABLE = Path("pictures/turntable.webp")
SHEETS = {"train": Path("pictures/train.png"), "held-out": Path("pictures/held-out.png")}
PHOTO, PRETRAINED, PERSONALIZED = "photo", "pretrained", "personalized"
"""Columns of every album."""
MOST_LOOKS = 2**16
"""Small pictures of a run that are looked for."""
MOST_BYTES, MOST_FACTS = 2**20, 2**12
"""Of environment.json."""


def look_file(album: str, index: int, column: str) -> Path:
    """Where the small picture of a photo of an album is, relative to the run's folder.

    >>> look_file("held-out", 7, "novel view").as_posix()
    'pictures/looks/held-out/007-novel-view.webp'
    """
    return LOOKS / _slug(album) / f"{index:03}-{_slug(column)}.webp"


@dataclass(frozen=True)
class Record:
    """A run: its folder, what was asked, what it ran on, by name, the events of its log, and what of all this is not
    known here, in sentences.
    """

    directory: Path
    asked: Asked
    environment: Mapping[str, str]
    events: tuple[object, ...]
    left_out: tuple[str, ...]

    def last(self, kind: type[T]) -> T | None:
        """The last event of that kind."""
        return next((event for event in reversed(self.events) if isinstance(event, kind)), None)

    def each(self, kind: type[T]) -> list[T]:
        """All events of that kind."""
        return [event for event in self.events if isinstance(event, kind)]


def read_record(directory: Path) -> Record:
    """The record of the personalization in `directory`, finished or not.

    Raises RunError where that is no run's folder or one of another task's, or its log is damaged, InputError where its
    settings are.
    """
    if not directory.exists():
        raise RunError(f"there is no {directory}: give the folder of a run of `gpk personalize`")
    if not (directory / CONFIG).exists():
        raise RunError(f"{directory} is no run's folder: give one that `gpk personalize` made")
    config = read_config(directory / CONFIG)
    if (task := config.get("task")) != "personalize":
        raise RunError(f"{directory} is a run of {str(task)[:80]!r}: reports are of runs of `gpk personalize`")
    asked = to_dataclass(Asked, config, source=str(directory / CONFIG), others=True)
    environment, odd = _environment(directory / ENVIRONMENT)
    events, unknown = _events(directory / "log.jsonl")
    lines = f"{unknown} lines of the log are of kinds" if unknown > 1 else "1 line of the log is of a kind"
    told = (f"{lines} that this gpk does not know, and left out.",) if unknown else ()
    return Record(directory, asked, environment, events, told + odd)


def _events(log: Path) -> tuple[tuple[object, ...], int]:
    """The events of the kinds that a report knows, and how many there are of others."""
    events, unknown = [], 0
    for event in read_log(log):
        if event["event"] not in KINDS:
            unknown += event["event"] not in UNTOLD
            continue
        read = event.read(KINDS[event["event"]])
        if isinstance(read, Looks) and read.count > MOST_LOOKS:
            raise event.wrong(f"{event.place} names more small pictures than any run has")
        events.append(read)
    return tuple(events), unknown


def _environment(path: Path) -> tuple[dict[str, str], tuple[str, ...]]:
    """What the run was made on, by name, and what of it cannot be told: a report can do without."""
    try:
        known: Any = parse_json(read_file(path, MOST_BYTES, RunError), Budget(str(path), RunError, items=MOST_FACTS))
    except FileNotFoundError:
        return {}, ()
    except (OSError, ValueError, RunError):  # a run would not go on with it
        known = None
    if not isinstance(known, dict):
        return {}, (f"{path.name} is damaged: what the run was made on is not shown.",)
    resumed = known.pop("resumed_on", [])
    plain = {name: str(value) for name, value in known.items() if isinstance(value, str | int | float) and value}
    odd = sum(isinstance(value, list | dict) for value in known.values()) + (not isinstance(resumed, list))
    if isinstance(resumed, list) and resumed:
        plain["went on"] = f"on {len(resumed)} other machine{'s' * (len(resumed) > 1)} or version"
    facts = f"{odd} facts in {path.name} are" if odd > 1 else f"1 fact in {path.name} is"
    return plain, (f"{facts} not of a kind that is shown, and left out.",) if odd else ()


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
