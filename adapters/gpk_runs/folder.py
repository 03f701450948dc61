"""A run's folder: whether it may be used, and by whom."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from gpk.errors import InputError, RunError
from gpk_checkpoints.atomic import write_atomically
from gpk_checkpoints.budget import Budget, parse_json, read_file
from gpk_checkpoints.parts import part_of, remove_parts
from gpk_runs.settings import read_config, write_config

CONFIG = "config.yaml"
ENVIRONMENT = "environment.json"
MOST_BYTES = 2**20
"""Of that file."""
LOCK = "run.lock"
SHOWN = 3
"""How many differing settings a message names before it counts."""
LONGEST = 40
"""Letters of a value in a message: nobody compares two hashes by eye."""


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
        raise unusable(directory, error) from error
    try:
        if (directory / CONFIG).exists():
            _require_same(directory, _config_there(directory), json.loads(json.dumps(config)))
        else:
            write_config(directory / CONFIG, json.loads(json.dumps(config)))
        remove_parts(directory)
    except BaseException:
        lock.release()
        raise
    return lock


def unusable(directory: Path, error: OSError) -> RunError:
    """The error to raise where the system forbids something in the folder."""
    what = error.strerror or str(error)
    where = f" ({error.filename})" if error.filename and Path(error.filename) != directory else ""
    return RunError(f"cannot use {directory} as a run's folder: {what}{where}: give another --out")


def note_environment(directory: Path, now: Mapping[str, object]) -> None:
    """Writes what the run began on; where it goes on on something else, adds that under `resumed_on`.

    Raises RunError where what is there is damaged, or the file cannot be written.
    """
    path = directory / ENVIRONMENT
    known, resumed_on = _environment_there(path) if path.exists() else (dict(now), [])
    if now not in [known, *resumed_on]:
        resumed_on.append(dict(now))
    text = json.dumps(known | ({"resumed_on": resumed_on} if resumed_on else {}), indent=2) + "\n"
    write_atomically(path, [text.encode()])


def _config_there(directory: Path) -> dict[str, Any]:
    try:
        return read_config(directory / CONFIG)
    except InputError as error:
        raise RunError(f"{error}: put back the settings of this run, or give another --out") from error


def _environment_there(path: Path) -> tuple[dict[str, Any], list[Any]]:
    """What a run began on, and what it went on on."""
    try:
        known: Any = parse_json(read_file(path, MOST_BYTES, RunError), Budget(str(path), RunError, items=2**16))
    except ValueError:  # no text, or no JSON
        known = None
    if not isinstance(known, dict) or not isinstance(resumed_on := known.pop("resumed_on", []), list):
        raise RunError(f"{path} is damaged, which only tells what the run was made on: delete it to go on")
    return known, resumed_on


def _require_run_or_empty(directory: Path) -> None:
    if not directory.exists():
        return
    if not directory.is_dir():
        raise RunError(f"{directory} is a file: a run needs a folder, give another --out")
    if (directory / CONFIG).exists():
        return
    # A run killed before it wrote its settings has left no more than the lock and a part.
    others = sorted(p.name for p in directory.iterdir() if p.name not in (LOCK, part_of(directory / CONFIG).name))
    if others:
        raise RunError(f"{directory} holds {others[0]!r} and is no run's folder: give another --out, or empty it")


def _require_same(directory: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    there, here = dict(_flat(old, new)), dict(_flat(new, old))
    differing = [key for key in here | there if key not in here or key not in there or here[key] != there[key]]
    if not differing:
        return
    told = [f"{key} is {_shown(there, key)} there and {_shown(here, key)} now" for key in differing[:SHOWN]]
    more = f" (and {len(differing) - SHOWN} more)" if len(differing) > SHOWN else ""
    raise RunError(
        f"{directory} holds a run with other settings: {'; '.join(told)}{more}. Give another --out, or the old settings"
    )


def _flat(config: Mapping[str, Any], other: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by dotted name; a list is one value, and so is an empty mapping, and a section that `other` has not."""
    for key, value in config.items():
        if isinstance(value, Mapping) and value and isinstance(other.get(key), Mapping):
            yield from _flat(value, other[key], f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _shown(config: Mapping[str, Any], key: str) -> str:
    if key not in config:
        return "not set"
    text = json.dumps(config[key], ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
