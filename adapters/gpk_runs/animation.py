"""Moving pictures as animated WebP files, which browsers show as they show a PNG.

A GIF would need 256 colours and several times the bytes. Every frame is whole: as differences from the frame before,
plain backgrounds that change slowly fall into blocks, for a fifth of the bytes saved.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from PIL import Image

from gpk_checkpoints.atomic import write_atomically
from gpk_runs.pictures import XMP

EFFORT = 4
"""Of WebP's six: 6 takes twenty times as long as 4 for the same bytes."""


def write_animation(path: Path, frames: Sequence[Image.Image], *, rate: float = 24.0, quality: int = 80) -> None:
    """Replaces the WebP at `path` by the frames, `rate` a second, for ever from the start; marked as synthetic.

    `quality` from 0 to 100, as WebP counts. Frames that hardly differ become one that stays as long. Raises RunError
    where it cannot be written.
    """
    file = io.BytesIO()
    first, *others = frames
    first.save(
        file,
        format="WEBP",
        save_all=True,
        append_images=others,
        duration=durations(len(frames), rate),
        loop=0,
        quality=quality,
        method=EFFORT,
        kmin=0,
        kmax=1,
        xmp=XMP.encode(),
    )
    write_atomically(path, [file.getvalue()])


def durations(count: int, rate: float) -> list[int]:
    """Whole milliseconds of `count` frames, `rate` a second, whose sum is right to half a millisecond.

    >>> durations(3, 24)
    [42, 41, 42]
    """
    ends = [round(1000 * k / rate) for k in range(count + 1)]
    return [end - begin for begin, end in pairwise(ends)]
