"""A video put together of its reels: the pictures of each moment side by side, with their depths where they have them.

Depths are shown in one range of greys for all reels and frames: a range for each frame would flicker.

Shapes: F frames, R image side, r side of depth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from gpk_runs.sheet import GAP, contact_sheet, write_sheet
from gpk_runs.video import Frame
from gpk_tasks.render.reel import Reel
from gpk_tasks.views import greys

ACROSS = 4
"""Pictures in a row where each is of another subject."""
STRIP = 192
"""Pixels of a picture on the strip, at most."""


class Film:
    """`reels` by name, all of one length, each picture enlarged to `side` pixels.

    `looks` names the reels that in turn show one subject: they are a row of the frame, and its headings. Where there is
    but one, and no depths, a row is of four subjects.
    """

    def __init__(self, reels: Mapping[str, Reel], *, looks: Sequence[str], side: int) -> None:
        self._reels, self._looks, self._side = reels, looks, side
        first = next(iter(reels.values()))
        self.count = first.count
        self._shades = greys(torch.stack([reel.depths() for reel in reels.values()])) if first.depth else None

    def tiles(self, index: int) -> Mapping[str, Tensor]:
        """The pictures [3, R, R] of frame `index` by name, and after each its depth in greys [1, r, r]."""
        shown: dict[str, Tensor] = {}
        for row, (name, reel) in enumerate(self._reels.items()):
            shown[name] = reel.picture(index)
            if self._shades is not None:
                shown[f"{name}, depth"] = self._shades[row, index]
        return shown

    def stills(self, *, loops: int = 1) -> Iterator[Frame]:
        """Every frame in turn, `loops` times over; none of them is held. Without headings it has no margin."""
        each = [""] if self._shades is None else ["", "depth"]
        headings = [name or look for look in self._looks for name in each] if len(self._looks) > 1 else []
        across = len(self._looks) * len(each)
        for shown in range(loops * self.count):
            tiles = list(self.tiles(shown % self.count).values())
            yield contact_sheet(
                _rows(tiles, across if across > 1 else ACROSS),
                columns=headings,
                side=self._side,
                margin=GAP if headings else 0,
            )

    def write_strip(self, path: Path, frames: int, *, rate: float, title: str) -> None:
        """Writes the sheet of so many frames, evenly chosen, to the PNG at `path`: a row for each picture of a frame,
        a column for each moment, told in seconds at `rate` frames a second.
        """
        chosen = [index * self.count // frames for index in range(frames)] if frames < self.count else range(self.count)
        moments = [self.tiles(index) for index in chosen]
        rows = [[moment[name] for moment in moments] for name in moments[0]]
        captions = list(moments[0]) if len(rows) > 1 else None
        columns = [f"{index / rate:.1f} s" for index in chosen]
        write_sheet(path, rows, columns=columns, captions=captions, title=title, side=min(self._side, STRIP))


def _rows(tiles: Sequence[Tensor], across: int) -> list[Sequence[Tensor]]:
    return [tiles[start : start + across] for start in range(0, len(tiles), across)]
