"""What is known of an album's photos so far, kept in one file, so that the same command goes on where it was stopped.

    ALBUM/.prepare/state.safetensors     readings by photo, features by crop, the poses and whose they are
    ALBUM/.prepare/config.yaml           the settings; others are refused

A reading counts as long as the file's sha256 is the same; poses count for exactly the crops they were found for, since
all photos of an album have their say in each.

Shapes: M strangers, F features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gpk.errors import RunError
from gpk.typed import to_dataclass
from gpk_photos.reading import Reading
from gpk_prepare.settings import Preparation
from gpk_prepare.sorting import Features, Pose
from gpk_runs.folder import claim
from gpk_runs.state import read_state, write_state
from gpk_tasks.tensors import under

HOME = ".prepare"
STATE = "state.safetensors"
State = tuple[dict[str, Tensor], dict[str, Any]]
"""What a search that was stopped goes on from: `gpk_tasks.descent.State`."""


class PreparationState:
    """Readings by photo, what the judge saw by crop, poses by crop, the strangers [M, F] that it saw; `posing` is a
    search for poses that was stopped, and `posing_of` the crops whose poses are known or looked for.

    Raises RunError where the album's file is damaged or another version's.
    """

    def __init__(self, album: Path) -> None:
        self._file = album / HOME / STATE
        self.readings: dict[str, Reading] = {}
        self.features: dict[str, Features] = {}
        self.poses: dict[str, Pose] = {}
        self.strangers: Tensor | None = None
        self.posing: State | None = None
        self.posing_of: tuple[str, ...] = ()
        if self._file.exists():
            self._read(*read_state(self._file))

    def save(self) -> None:
        """Replaces the file, whole or not at all."""
        tensors = {f"seen/{crop}": torch.stack(both) for crop, both in self._pairs()}
        position: dict[str, Any] = {
            "photos": {name: asdict(reading) for name, reading in self.readings.items()},
            "poses": {crop: asdict(pose) for crop, pose in self.poses.items()},
            "posing_of": list(self.posing_of),
        }
        if self.strangers is not None:
            tensors["strangers"] = self.strangers
        if self.posing is not None:
            tensors |= {f"posing/{name}": tensor for name, tensor in self.posing[0].items()}
            position["posing"] = self.posing[1]
        write_state(self._file, tensors, position, 0)

    def _pairs(self) -> Iterator[tuple[str, list[Tensor]]]:
        return ((crop, [both.plain, both.mirrored]) for crop, both in self.features.items())

    def _read(self, tensors: Mapping[str, Tensor], position: Mapping[str, Any]) -> None:
        where = str(self._file)
        self.readings = {name: to_dataclass(Reading, it, source=where) for name, it in position["photos"].items()}
        self.poses = {crop: to_dataclass(Pose, it, source=where) for crop, it in position["poses"].items()}
        self.posing_of = tuple(position["posing_of"])
        self.strangers = tensors.get("strangers")
        for name, tensor in tensors.items():
            kind, _, rest = name.partition("/")
            if kind == "seen":
                self.features[rest] = Features(*tensor)
        if "posing" in position:
            self.posing = under("posing/", tensors), position["posing"]


@contextmanager
def opened(album: Path, settings: Preparation) -> Iterator[PreparationState]:
    """The state of the album in this folder, new or as it was left; nobody else writes there inside the block.

    Raises RunError where the folder is in use, cannot be written to, or holds something else, a damaged state, or an
    album of other settings.
    """
    _require_album_or_empty(album)
    lock = claim(album / HOME, settings.to_json())
    try:
        yield PreparationState(album)
    finally:
        lock.release()


def saving(state: PreparationState, every: float, clock: Callable[[], float]) -> Callable[[bool], None]:
    """A function that saves where the last time is `every` seconds ago by the `clock`, or where it is told to."""
    last = clock()

    def save(now: bool) -> None:
        nonlocal last
        if now or clock() - last >= every:
            state.save()
            last = clock()

    return save


def _require_album_or_empty(album: Path) -> None:
    if album.exists() and not album.is_dir():
        raise RunError(f"{album} is a file: an album needs a folder, give another --out")
    if album.is_dir() and not (album / HOME).is_dir() and (others := sorted(path.name for path in album.iterdir())):
        raise RunError(f"{album} holds {others[0]!r} and no album that was prepared: give another --out, or empty it")
