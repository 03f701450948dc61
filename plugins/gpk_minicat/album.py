"""An album of one procedural cat: real PNG files with EG3D's camera labels, and the truth about the cat beside them.

    DIR/train/img00000000.png ... dataset.json       what personalization is given
    DIR/held-out/img00000000.png ... dataset.json    the same cat in photos that it is judged by
    DIR/truth.json                                   the settings, and the parameters of every photo by name

The folder appears whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gpk.errors import AlbumError, InputError
from gpk_checkpoints import atomic
from gpk_minicat.cameras import random_cameras
from gpk_minicat.parameters import NAMES
from gpk_minicat.render import render
from gpk_minicat.traits import ALL_TRAITS, Trait, individual, photos_of
from gpk_photos import write_labels, write_png

TRUTH = "truth.json"


def write_album(
    directory: Path,
    seed: int,
    *,
    photos: int = 12,
    held_out: int = 6,
    traits: Sequence[Trait] = ALL_TRAITS,
    size: int = 64,
) -> Path:
    """Write the album of the individual that `seed` determines, and return its folder; cameras spread over the
    trained views.

    An album of the same settings that is there already is left alone. Raises AlbumError for any other folder that is
    not empty, InputError for an impossible count, UnknownNameError for an unknown trait.
    """
    if photos < 1 or held_out < 0:
        raise InputError(f"an album needs at least one photo, and no negative number: {photos} and {held_out} held out")
    if size < 2 or size % 2:
        raise InputError(f"the side of the photos must be an even number of at least 2, not {size}")
    if not -(2**63) <= seed < 2**63:
        raise InputError(f"the seed must be a whole number of at most 64 bits, not {seed}")
    settings: dict[str, Any] = {
        "seed": seed,
        "photos": photos,
        "held_out": held_out,
        "traits": sorted(traits),
        "size": size,
    }
    part = new_folder(directory, settings)
    if part is None:
        return directory
    with part as folder:
        rng = torch.Generator().manual_seed(seed)
        cat = individual(rng, sorted(traits))
        truth = {
            name: write_photos(folder / name, cat, count, size, rng)
            for name, count in (("train", photos), ("held-out", held_out))
            if count
        }
        write_truth(folder, settings, truth)
    return directory


def new_folder(directory: Path, settings: Mapping[str, Any]) -> AbstractContextManager[Path] | None:
    """A block in which a folder is filled that becomes `directory` at its end; None where that one is there already
    and its truth has the same settings.

    Raises AlbumError where something else is there; the block raises RunError where the folder cannot be written, or
    another process makes it at the same time.
    """
    if directory.exists() and not directory.is_dir():
        raise AlbumError(f"{directory} is a file: give a folder for the album")
    if directory.exists() and atomic.holds_something(directory):
        if _settings(directory) == settings:
            return None
        raise AlbumError(f"{directory} is not empty and no album of these settings: choose another folder or delete it")
    return atomic.new_folder(directory)


def write_truth(folder: Path, settings: Mapping[str, Any], truth: Mapping[str, Any]) -> None:
    """Writes what is true of the folder's photos, by part and name, beside the settings that made them."""
    (folder / TRUTH).write_text(json.dumps({"settings": settings, **truth}, indent=1), encoding="utf-8")


def write_photos(folder: Path, cat: Tensor, count: int, size: int, rng: torch.Generator) -> dict[str, dict[str, float]]:
    """Write `count` photos with their labels and return their parameters by file name."""
    folder.mkdir()
    params, cameras = photos_of(cat, count, rng), random_cameras(count, rng)
    names = [f"img{i:08d}.png" for i in range(count)]
    with torch.no_grad():
        for i, name in enumerate(names):
            write_png(folder / name, render(params[i : i + 1], cameras[i], size).image[0])
    write_labels(folder, names, cameras.label())
    return {name: dict(zip(NAMES, row.tolist(), strict=True)) for name, row in zip(names, params, strict=True)}


def _settings(directory: Path) -> object:
    try:
        return json.loads((directory / TRUTH).read_text(encoding="utf-8"))["settings"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
