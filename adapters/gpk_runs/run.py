"""A run: what was asked, on what machine, what happened, and how to go on after a crash.

    config.yaml           the resolved settings; running with them again repeats the run
    environment.json      versions and hardware
    log.jsonl             what happened; tables and plots are drawn from it
    state.safetensors     tensors and position of the last save
    pictures/, *.persona.safetensors

The state knows how long the log was when it was saved. Resuming cuts the log there, and so the log of a resumed run is
that of an uninterrupted one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpk.errors import RunError
from gpk_runs.environment import environment
from gpk_runs.folder import claim, note_environment, unusable
from gpk_runs.log import Event, line, read_log
from gpk_runs.state import logged_bytes, read_state, write_state

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Show = Callable[[str, int, int, Mapping[str, float]], None]
"""What shows progress: stage, done, total, figures."""


class Run:
    """The log of one run, and its folder: made by `Run.open`, let go by leaving the `with` block.

    `finished` tells whether `finish` was called, now or before the folder was opened.
    """

    def __init__(self, directory: Path, held: ExitStack, show: Show | None) -> None:
        self.directory = directory
        self.pictures = directory / "pictures"
        self._held = held
        self._show = show
        self._state = directory / "state.safetensors"
        self._log = directory / "log.jsonl"
        self.pictures.mkdir(exist_ok=True)
        self.finished = any(event.get("event") == "finished" for event in self.read_log())
        kept = self._kept_log_bytes()  # before the log is opened, and so made: a folder in doubt is left as it is
        self._lines = held.enter_context(self._log.open("ab", buffering=0))
        self._lines.truncate(kept)

    @classmethod
    def open(
        cls,
        directory: Path,
        config: Mapping[str, Any],
        *,
        show: Show | None = None,
        device: torch.device | str = "cpu",
    ) -> Run:
        """A new run in `directory`, or the one that is there, to go on where its state was saved.

        `config` holds the resolved settings in JSON types; `show` is called with every progress. Raises RunError where
        the folder cannot be used (see `folder.claim`), or its log or state is damaged.
        """
        with ExitStack() as held:  # whatever fails, the log is closed and the lock released
            held.callback(claim(directory, config).release)
            try:
                run = cls(directory, held, show)
                note_environment(directory, environment(device))
            except OSError as error:
                raise unusable(directory, error) from error
            run._held = held.pop_all()
            return run

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def record(self, event: str, facts: Mapping[str, object]) -> None:
        """Appends one event to the log, and hands it to the operating system before returning; raises RunError where it
        cannot be written.
        """
        text = line(event, round(time.time(), 3), facts)
        try:
            written = self._lines.write(text)
        except OSError as error:
            raise RunError(f"cannot write {self._log}: {error.strerror or error}") from error
        if written != len(text):
            raise RunError(f"cannot write {self._log}: no space is left")

    def progress(self, stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        """Shows how far a stage is; keeps nothing."""
        if self._show is not None:
            self._show(stage, done, total, figures)

    def read_log(self) -> list[Event]:
        """Everything recorded so far."""
        return read_log(self._log)

    def save_state(self, tensors: Mapping[str, Tensor], position: Mapping[str, Any]) -> None:
        """Replaces the state, whole or not at all; `position` in JSON types. Raises RunError where that fails."""
        self._settle()  # the state must not know of lines that a power failure takes away
        write_state(self._state, tensors, position, os.fstat(self._lines.fileno()).st_size)

    def load_state(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Tensors and position as last saved; None where nothing is. Raises RunError where the state is damaged."""
        return read_state(self._state) if self._state.exists() else None

    def discard_state(self) -> None:
        """Gives up the state: resuming starts over."""
        self._state.unlink(missing_ok=True)

    def finish(self, facts: Mapping[str, object] | None = None) -> None:
        """Records that the run is finished, and gives up its state."""
        self.record("finished", facts or {})
        self._settle()
        self.finished = True
        self.discard_state()

    def _settle(self) -> None:
        try:
            os.fsync(self._lines.fileno())
        except OSError as error:
            raise RunError(f"cannot write {self._log}: {error.strerror or error}") from error

    def _kept_log_bytes(self) -> int:
        """How much of the log stays: what happened before the state was saved, nothing where there is no state.

        A finished run only loses a line cut short.
        """
        if self.finished:
            return self._log.read_bytes().rfind(b"\n") + 1
        length = logged_bytes(self._state) if self._state.exists() else 0
        if length > (self._log.stat().st_size if self._log.exists() else 0):
            raise RunError(f"{self._log} is shorter than when {self._state.name} was saved: delete both to start over")
        return length
