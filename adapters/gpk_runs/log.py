"""The log: one JSON object per line, appended, and readable after a crash. Light: never imports torch.

JSON has no NaN and no infinity; such numbers are written as null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from gpk.errors import RunError


def line(event: str, time: float, facts: Mapping[str, object]) -> bytes:
    r"""One line of the log; `time` in seconds since 1970. Raises ValueError for facts of the log's own names.

    >>> line("step", 1.5, {"loss": float("nan"), "images": 4})
    b'{"event": "step", "time": 1.5, "loss": null, "images": 4}\n'
    """
    if taken := {"event", "time"} & facts.keys():
        raise ValueError(f"facts may not be called {', '.join(sorted(taken))}: the log uses that itself")
    plain = {"event": event, "time": time} | {str(name): _plain(value) for name, value in facts.items()}
    return json.dumps(plain, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def read_log(path: Path) -> list[dict[str, Any]]:
    """The events in the log at `path`, none where there is no log; a last line cut short by a crash is left out.

    Raises RunError naming the line where another line is no JSON object.
    """
    try:
        *whole, _ = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}: mend that, or give another --out") from error
    return [_event(path, number, text) for number, text in enumerate(whole, start=1)]


def _event(path: Path, number: int, text: bytes) -> dict[str, Any]:
    try:
        event = json.loads(text)
    except ValueError:
        event = None
    if not isinstance(event, dict):
        raise RunError(
            f"{path}, line {number} is no JSON object: the log was changed by hand, or the disk is failing; "
            "put the line back, or give another --out"
        )
    return event


def _plain(value: Any) -> Any:  # noqa: ANN401
    """`value` in JSON types: tensors and arrays as numbers, a path as its name."""
    match value:
        case float():
            return float(value) if math.isfinite(value) else None
        case None | bool() | int() | str():
            return value
        case Mapping():
            return {str(name): _plain(item) for name, item in value.items()}
        case PurePath():
            return value.name
        case list() | tuple():
            return [_plain(item) for item in value]
        case set() | frozenset():
            return sorted(_plain(item) for item in value)
        case _ if hasattr(value, "tolist"):
            return _plain(value.tolist())
    return str(value)
