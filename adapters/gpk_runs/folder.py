"""A run's folder: whether it may be used, and by whom."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from corekit.errors import RunError
from gpk_checkpoints.atomic import write_atomically
from gpk_runs.settings import read_config, write_config

CONFIG = "config.yaml"
ENVIRONMENT = "environment.json"
LOCK = "run.lock"
SHOWN = 3
"""How many differing settings a message names before it counts."""


def claim(directory: Path, config: Mapping[str, Any]) -> FileLock:
    """The lock on `directory`, made or found as the folder of a run with the settings `config` (JSON types).

    Raises RunError where it is no folder, not writable, in use by another process, holds a run with other settings, or
    holds something else.
    """
    try:
        _require_run_or_empty(directory)
        directory.mkdir(parents=True, exist_ok=True)
        lock = FileLock(directory / LOCK, timeout=0)
        lock.acquire()
    except Timeout as error:
        raise RunError(f"{directory} is in use by another process: wait for it, or give another --out") from error
    except OSError as error:
        raise RunError(f"cannot use {directory} as a run's folder: {error.strerror or error}") from error
    try:
        if (directory / CONFIG).exists():
            _require_same(directory, read_config(directory / CONFIG), json.loads(json.dumps(config)))
        else:
            write_config(directory / CONFIG, json.loads(json.dumps(config)))
        for part in directory.rglob("*.part"):  # left by a crash
            part.unlink()
    except BaseException:
        lock.release()
        raise
    return lock


def note_environment(directory: Path, now: Mapping[str, object]) -> None:
    """Writes what the run began on; where it goes on on something else, adds that under `resumed_on`."""
    path = directory / ENVIRONMENT
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else dict(now)
    resumed_on = known.pop("resumed_on", [])
    if now not in [known, *resumed_on]:
        resumed_on.append(dict(now))
    text = json.dumps(known | ({"resumed_on": resumed_on} if resumed_on else {}), indent=2) + "\n"
    write_atomically(path, [text.encode()])


def _require_run_or_empty(directory: Path) -> None:
    if not directory.exists():
        return
    if not directory.is_dir():
        raise RunError(f"{directory} is a file: a run needs a folder, give another --out")
    if (directory / CONFIG).exists():
        return
    # A run killed before it wrote its settings has left no more than the lock and a part.
    others = sorted(p.name for p in directory.iterdir() if p.name not in (LOCK, f"{CONFIG}.part"))
    if others:
        raise RunError(f"{directory} holds {others[0]!r} and is no run's folder: give another --out, or empty it")


def _require_same(directory: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    there, here = dict(_flat(old)), dict(_flat(new))
    differing = [key for key in here | there if key not in here or key not in there or here[key] != there[key]]
    if not differing:
        return
    told = [f"{key} is {_shown(there, key)} there and {_shown(here, key)} now" for key in differing[:SHOWN]]
    more = f" (and {len(differing) - SHOWN} more)" if len(differing) > SHOWN else ""
    raise RunError(
        f"{directory} holds a run with other settings: {'; '.join(told)}{more}. Give another --out, or the old settings"
    )


def _flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by dotted name; a list is one value, and so is an empty mapping."""
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _shown(config: Mapping[str, Any], key: str) -> str:
    return json.dumps(config[key], ensure_ascii=False, default=str) if key in config else "not set"
