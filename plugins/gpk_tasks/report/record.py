"""What the folder of a personalization tells, without generator, photos or torch: events, settings, small pictures.

    pictures/looks/train/000-photo.webp     photo 0 of the album, and beside it what the generator makes of it
    pictures/turntable.webp                 pretrained beside personalized, turning; of 3D generators

Files are found by album, place and column, never by a path that the log names: the folder may be a stranger's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpk.errors import RunError
from gpk_runs.folder import CONFIG, ENVIRONMENT
from gpk_runs.log import read_log
from gpk_runs.settings import read_config

LOOKS = Path("pictures/looks")
TURNTABLE = Path("pictures/turntable.webp")
SHEETS = {"train": Path("pictures/train.png"), "held-out": Path("pictures/held-out.png")}
PHOTO, PRETRAINED, PERSONALIZED = "photo", "pretrained", "personalized"
"""Columns of every album."""


def look_file(album: str, index: int, column: str) -> Path:
    """Where the small picture of a photo of an album is, relative to the run's folder.

    >>> look_file("held-out", 7, "novel view").as_posix()
    'pictures/looks/held-out/007-novel-view.webp'
    """
    return LOOKS / _slug(album) / f"{index:03}-{_slug(column)}.webp"


@dataclass(frozen=True)
class Record:
    """A run: its folder, its settings and what it ran on (JSON types), and the events of its log."""

    directory: Path
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    events: tuple[Mapping[str, Any], ...]

    def last(self, event: str) -> Mapping[str, Any]:
        """The last event of that kind; empty where there is none."""
        return next((e for e in reversed(self.events) if e.get("event") == event), {})

    def each(self, event: str) -> list[Mapping[str, Any]]:
        """All events of that kind."""
        return [e for e in self.events if e.get("event") == event]


def read_record(directory: Path) -> Record:
    """The record of the personalization in `directory`, finished or not.

    Raises RunError where that is no run's folder or one of another task's, InputError where its files are damaged.
    """
    if not directory.exists():
        raise RunError(f"there is no {directory}: give the folder of a run of `gpk personalize`")
    if not (directory / CONFIG).exists():
        raise RunError(f"{directory} is no run's folder: give one that `gpk personalize` made")
    config = read_config(directory / CONFIG)
    if config.get("task") != "personalize":
        raise RunError(f"{directory} is a run of {config.get('task')!r}: reports are of runs of `gpk personalize`")
    environment: Any = {}
    if (path := directory / ENVIRONMENT).exists():
        try:
            environment = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:  # a run would not go on with it; a report can do without
            environment = {}
    return Record(
        directory,
        config,
        environment if isinstance(environment, dict) else {},
        tuple(read_log(directory / "log.jsonl")),
    )


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
