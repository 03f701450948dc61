"""The rows of the benchmark: ways of making a persona, and the generator as it was.

`standard()` is what a full benchmark compares and `quick()` what a short one does; `read_rows` takes a YAML file of
one's own, in which a row is a preset, settings that differ from it, and a number of photos:

    low rank, slow:
      preset: fast
      photos: 12
      tuning: {lr: 0.01, steps: 480}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from gpk.errors import InputError, UnknownNameError
from gpk.lowrank import Layout
from gpk_bench.subjects import TRAIN
from gpk_runs.settings import read_config
from gpk_tasks.personalize.presets import full, preset
from gpk_tasks.personalize.settings import Settings, resolve, to_json

PHOTOS = 12
"""The album of a row that says nothing else."""
SIZES = (3, 6, 12, 24)
"""Photos of the albums that are compared."""
RANKS = (1, 4, 16)
"""Of LoRA, in every layout."""
SLOW_STEPS = 1200
"""Of the presets that ask for 125,000 steps, which nobody waits for here."""


@dataclass(frozen=True)
class Row:
    """One way: its name, the settings, and how many photos; without tuning it is the generator as it was.

    Raises InputError for more photos than there are, and for fewer than 2.
    """

    name: str
    settings: Settings
    photos: int = PHOTOS
    tuned: bool = True

    def __post_init__(self) -> None:
        if not 2 <= self.photos <= TRAIN:
            raise InputError(f"row {self.name!r}: an album has 2 to {TRAIN} photos here, not {self.photos}")

    @property
    def way(self) -> str:
        """What is done, whatever the album: sixteen letters of the sha256 of all that decides it."""
        settings = to_json(self.settings)
        return _digest([settings if self.tuned else settings["inversion"], self.tuned])

    @property
    def digest(self) -> str:
        """What tells whether a result belongs to this row."""
        return _digest([self.way, self.photos])


def _digest(plain: Any) -> str:  # noqa: ANN401 - JSON
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


def standard() -> tuple[Row, ...]:
    """Everything that the benchmark compares."""
    fast = preset("fast")
    layouts = [
        Row(f"LoRA {rank} {layout}", with_recipe(fast, rank=rank, layout=layout))
        for rank in RANKS
        for layout in get_args(Layout)
        if (rank, layout) != (fast.recipe.rank, fast.recipe.layout)
    ]
    sizes = [
        Row(f"{way.name} ({count} photos)", way.settings, photos=count)
        for way in (Row("fast", fast), Row("full", full(fast)))
        for count in SIZES
        if count != PHOTOS
    ]
    whole = full(fast)
    still = replace(whole, tuning=replace(whole.tuning, lr_anchors=0.0))
    fulls = Row("full", whole), Row("full, anchors fixed", still)
    return (Row("pretrained", fast, tuned=False), Row("fast", fast), *layouts, *fulls, slow(), *sizes)


def quick() -> tuple[Row, ...]:
    """The three that matter, on half an album."""
    fast = preset("fast")
    return (
        Row("pretrained", fast, photos=6, tuned=False),
        Row("fast", fast, photos=6),
        Row("full", full(fast), photos=6),
    )


def slow() -> Row:
    """My3DGen's release with its own rates, cut off, on the anchors of the others."""
    settings = preset("my3dgen")
    tuning = replace(settings.tuning, steps=SLOW_STEPS)
    return Row(f"my3dgen ({SLOW_STEPS:,} steps)", replace(settings, inversion=preset("fast").inversion, tuning=tuning))


def with_recipe(settings: Settings, **changes: Any) -> Settings:  # noqa: ANN401 - a recipe's own keys
    """The settings with some of the recipe replaced."""
    return replace(settings, recipe=replace(settings.recipe, **changes))


def read_rows(path: Path) -> tuple[Row, ...]:
    """The rows in a YAML file.

    Raises InputError for a file that is none, and what `resolve` raises for a key or a value that no setting has.
    """
    rows = []
    for name, plain in read_config(path).items():
        if not isinstance(plain, Mapping):
            raise InputError(f"{path}: row {name!r} is no mapping of settings")
        rows.append(_row(path, name, dict(plain)))
    if not rows:
        raise InputError(f"{path} has no row: see benchmarks/ for an example")
    return tuple(rows)


def _row(path: Path, name: str, plain: dict[str, Any]) -> Row:
    base = plain.pop("preset", "fast")
    settings = full(preset("fast")) if base == "full" else preset(str(base))
    photos, tuned = plain.pop("photos", PHOTOS), plain.pop("tuned", True)
    if not isinstance(photos, int) or not isinstance(tuned, bool):
        raise InputError(f"{path}: row {name!r}: photos is a whole number and tuned true or false")
    return Row(name, resolve(settings, (f"{path}, row {name!r}", plain)), photos=photos, tuned=tuned)


def chosen(rows: tuple[Row, ...], names: list[str]) -> tuple[Row, ...]:
    """The rows of these names, all where none is given; raises UnknownNameError."""
    known = {row.name: row for row in rows}
    for name in names:
        if name not in known:
            raise UnknownNameError("row", name, known)
    return tuple(known[name] for name in names) if names else rows
