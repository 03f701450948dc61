"""Moving pictures as animated WebP and GIF files, which browsers show as they show a PNG.

A WebP's frames are whole: as differences from the frame before, plain backgrounds that change slowly fall into blocks,
for a fifth of the bytes saved.

A GIF has 256 colours and several times the bytes, for places that take nothing else. They are one palette for the
whole animation, chosen from frames all along it, and they are not dithered: the grain of error diffusion is another one
in every frame, and crawls; a palette for each frame flickers. A turning cat, 48 frames of 256 pixels, is so 37.8 dB
from its true colours and takes 912 kB; with error diffusion 34.0 dB, 1,460 kB and twice the flicker; by Pillow's own
choice, a palette for each frame and error diffusion, 33.7 dB and 1,382 kB.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from PIL import Image

from gpk_checkpoints.atomic import write_atomically
from gpk_runs.pictures import COMMENT, XMP

EFFORT = 4
"""Of WebP's six: 6 takes twenty times as long as 4 for the same bytes."""
SAMPLES, COLOURS, REFINED = 8, 256, 2
"""A GIF's palette: the frames it is chosen from, its colours, and the rounds of k-means after the choice."""
ENOUGH = 256
"""Pixels along a side of such a frame, at most; of a larger one every n-th is taken."""


def write_animation(path: Path, frames: Sequence[Image.Image], *, rate: float = 24.0, quality: int = 80) -> None:
    """Replaces the WebP at `path` by the frames, `rate` a second, for ever from the start; marked as synthetic.

    `quality` from 0 to 100, as WebP counts. All frames are held. Frames that hardly differ become one that stays as
    long. Raises RunError where it cannot be written.
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


def write_gif(path: Path, frames: Sequence[Image.Image], *, rate: float = 24.0) -> None:
    """Replaces the GIF at `path` by the frames, `rate` a second, for ever from the start; marked as synthetic.

    All frames are held. A GIF counts in hundredths of a second, and browsers slow down what is faster than 50 frames a
    second. Raises RunError where it cannot be written.
    """
    palette = _side_by_side(frames[:: -(-len(frames) // SAMPLES)]).quantize(
        COLOURS, method=Image.Quantize.MAXCOVERAGE, kmeans=REFINED
    )
    first, *others = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    file = io.BytesIO()
    first.save(
        file,
        format="GIF",
        save_all=True,
        append_images=others,
        duration=durations(len(frames), rate, unit=10),
        loop=0,
        optimize=False,
        comment=COMMENT.encode(),
    )
    write_atomically(path, [file.getvalue()])


def _side_by_side(frames: Sequence[Image.Image]) -> Image.Image:
    """The frames as one picture, with no colour that they have not."""
    width, height = frames[0].size
    scale = min(1.0, ENOUGH / max(width, height))
    width, height = max(1, round(scale * width)), max(1, round(scale * height))
    together = Image.new("RGB", (width * len(frames), height))
    for place, frame in enumerate(frames):
        together.paste(frame.resize((width, height), Image.Resampling.NEAREST), (width * place, 0))
    return together


def durations(count: int, rate: float, *, unit: int = 1) -> list[int]:
    """Milliseconds of `count` frames, `rate` a second, in whole units of so many, whose sum is right to half a unit.

    >>> durations(3, 24)
    [42, 41, 42]
    >>> durations(3, 24, unit=10)
    [40, 40, 40]
    """
    ends = [unit * round(1000 * k / rate / unit) for k in range(count + 1)]
    return [end - begin for begin, end in pairwise(ends)]
