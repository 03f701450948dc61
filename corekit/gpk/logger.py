"""Who is told what a task does, and where it writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor


class Logger(Protocol):
    """Where a task tells what happens: `record` is kept, `progress` is shown."""

    def record(self, event: str, facts: Mapping[str, object]) -> None:
        """Appends one event to the log."""
        ...

    def progress(self, stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        """Shows how far a stage is; called once a step."""
        ...


class NullLogger:
    """The logger that keeps and shows nothing."""

    def record(self, event: str, facts: Mapping[str, object]) -> None:
        """Keeps nothing."""

    def progress(self, stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        """Shows nothing."""


class Run(Logger, Protocol):
    """The folder of one task's results: `directory`, its `pictures`, and a state to go on from after a crash."""

    @property
    def directory(self) -> Path:
        """The folder."""
        ...

    @property
    def pictures(self) -> Path:
        """The folder in it for pictures."""
        ...

    def load_state(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Tensors and position (JSON types) as last saved, or None."""
        ...

    def save_state(self, tensors: Mapping[str, Tensor], position: Mapping[str, Any]) -> None:
        """Replaces the state, whole or not at all."""
        ...
