"""Held-out photos that are none: those that were learned from say nothing about what is new."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from gpk.errors import InputError
from gpk.registry import Registry
from gpk_cli.context import open_album
from gpk_cli.output import say

if TYPE_CHECKING:
    from gpk.album import Album
    from gpk.context import Context

SHOWN = 3
"""Pairs that are named."""


def open_held_out(
    registry: Registry, path: Path, context: Context, *, labels_as: str | None = None
) -> tuple[Album, list[int]]:
    """The photos at `path` on the device of the context's album, but for those that repeat one of that, which are said;
    and which of the photos there they are. Raises InputError where none is left, AlbumError where there is no album,
    and what `open_album` does.
    """
    import torch

    from gpk_photos.duplicates import repeated

    album, generator = context.album, context.generator
    others = open_album(
        registry, path, context.backend, side=generator.resolution, generator=generator, labels_as=labels_as
    ).to(album.photos.device)
    twins = repeated(others.photos, album.photos)
    if not twins:
        return others, list(range(len(others)))
    pairs = [f"{others.names[one]} is {album.names[other]}" for one, other in twins.items()]
    told = ", ".join(pairs[:SHOWN]) + (f" and {len(pairs) - SHOWN} more" if len(pairs) > SHOWN else "")
    if len(twins) == len(others):
        raise InputError(f"every held-out photo in {path} is learned from: {told}. Give photos that the album has not")
    say(f"Left out {len(twins)} of {len(others)} held-out photos, which are learned from: {told}")
    rest = [one for one in range(len(others)) if one not in twins]
    kept = dataclasses.replace(
        others,
        photos=others.photos[rest],
        names=tuple(others.names[one] for one in rest),
        cameras=None if others.cameras is None else others.cameras[torch.tensor(rest)],
        masks=None if others.masks is None else others.masks[rest],
    )
    return kept, rest
