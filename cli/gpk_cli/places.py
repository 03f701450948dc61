"""Where results go that nobody said a place for: never among the photos that they are made of."""

from __future__ import annotations

import os
from pathlib import Path

from gpk.validation import file_name


def default_out(kind: str, album: Path, backend: str) -> Path:
    """`kind`/ALBUM-BACKEND in this folder; beside the album where this folder is the album or lies in it, unless it is
    there already.
    """
    whole = album.resolve()
    place = Path(kind) / f"{whole.stem}-{file_name(backend)}"
    if whole not in (here := Path.cwd(), *here.parents) or place.exists():
        return place
    return Path(os.path.relpath(whole.parent, here)) / place
