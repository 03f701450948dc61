"""The log: one JSON object per line, appended, and readable after a crash. Light: never imports torch.

JSON has no NaN and no infinity; such numbers are written as null, and read as that where another program wrote them.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any, TypeVar

from gpk.errors import InputError, RunError
from gpk.typed import to_dataclass
from gpk_checkpoints.budget import Budget, parse_json, read_file

T = TypeVar("T")
MOST_BYTES, MOST_VALUES = 2**26, 2**20
"""Of a log: a hundred times what the longest job writes."""
GREATEST = 3.5e38
"""A number that is told; a float32 holds none that is greater."""
CHANGED = (
    "the log was changed by hand, or the disk is failing; put the line back, or make the run anew in another folder"
)
"""What is told of a line that is not as it was written."""


def line(event: str, time: float, facts: Mapping[str, object]) -> bytes:
    r"""One line of the log; `time` in seconds since 1970. Raises ValueError for facts of the log's own names.

    >>> line("step", 1.5, {"loss": float("nan"), "images": 4})
    b'{"event": "step", "time": 1.5, "loss": null, "images": 4}\n'
    """
    if taken := {"event", "time"} & facts.keys():
        raise ValueError(f"facts may not be called {', '.join(sorted(taken))}: the log uses that itself")
    plain = {"event": event, "time": time} | {str(name): _plain(value) for name, value in facts.items()}
    try:
        return json.dumps(plain, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    except UnicodeEncodeError:  # the name of a file may be no text
        return json.dumps(plain, allow_nan=False).encode() + b"\n"


class Event(dict[str, Any]):
    """An event as a line of a log has it, `event` being text; `read` is how its facts are to be taken out."""

    __slots__ = ("line", "path")

    def __init__(self, facts: Mapping[str, Any], path: Path, line: int) -> None:
        super().__init__(facts)
        self.path, self.line = path, line

    def read(self, kind: type[T]) -> T:
        """The facts as the dataclass `kind`, without those that it has no field for.

        Raises RunError that names the line where one is missing, or of another type.
        """
        try:
            return to_dataclass(kind, self, source=self.place, others=True)
        except InputError as error:
            raise self.wrong(error) from error

    @property
    def place(self) -> str:
        """File and line."""
        return f"{self.path}, line {self.line}"

    def wrong(self, what: object) -> RunError:
        """The error to raise where `what` is wrong with the line, whose place is told in it."""
        return RunError(f"{what}: {CHANGED}")


def read_log(path: Path) -> list[Event]:
    """The events in the log at `path`, none where there is no log; a last line cut short by a crash is left out.

    Raises RunError where that is no file, or too large for a log, and naming the line where another is no event.
    """
    try:
        content = read_file(path, MOST_BYTES, RunError)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}: mend that, or give another --out") from error
    budget = Budget(str(path), RunError, items=MOST_VALUES)
    lines = enumerate(io.BytesIO(content), start=1)
    return [_event(path, number, text, budget) for number, text in lines if text.endswith(b"\n")]


def _event(path: Path, number: int, text: bytes, budget: Budget) -> Event:
    budget.where = f"{path}, line {number}"
    try:
        event = parse_json(text, budget, parse_float=_finite, parse_int=_whole, parse_constant=lambda name: None)
    except ValueError:
        event = None
    if not isinstance(event, dict):
        raise RunError(f"{budget.where} is no JSON object: {CHANGED}")
    if not isinstance(event.get("event"), str):
        raise RunError(f"{budget.where} does not say what event it is: {CHANGED}")
    return Event(event, path, number)


def _finite(digits: str) -> float | None:
    value = float(digits)
    return value if abs(value) <= GREATEST else None


def _whole(digits: str) -> int | None:
    return int(digits) if len(digits) < 39 else None


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
