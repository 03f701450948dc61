"""Moving pictures as animated WebP files, which browsers show as they show a PNG.

A GIF would need 256 colours and several times the bytes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from gpk_checkpoints.atomic import write_atomically
from gpk_runs.pictures import XMP


def write_animation(path: Path, frames: Sequence[Image.Image], *, rate: float = 24.0, quality: int = 80) -> None:
    """Replaces the WebP at `path` by the frames, `rate` a second, for ever from the start; marked as synthetic.

    `quality` from 0 to 100, as WebP counts. Raises RunError where it cannot be written.
    """
    file = io.BytesIO()
    first, *others = frames
    first.save(
        file,
        format="WEBP",
        save_all=True,
        append_images=others,
        duration=round(1000 / rate),
        loop=0,
        quality=quality,
        method=6,
        xmp=XMP.encode(),
    )
    write_atomically(path, [file.getvalue()])
