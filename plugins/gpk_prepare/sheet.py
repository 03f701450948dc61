"""The contact sheet of an album: every photo with its verdict, so that a look tells what to change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from gpk_photos.reading import SMALL, Reading
from gpk_photos.selection import Choice
from gpk_photos.validity import mask_name
from gpk_runs.verdicts import Verdict, write_verdicts


def write_contact_sheet(path: Path, album: Path, lines: Sequence[Choice], readings: Mapping[str, Reading]) -> None:
    """Writes the sheet of these lines to the PNG at `path`: crops where there are any, else the whole photo."""
    used = sum(each.use for each in lines)
    title = f"{used} of {len(lines)} photos are used"
    write_verdicts(path, [_verdict(each, album, readings[each.file]) for each in lines], title=title)


def _verdict(line: Choice, album: Path, reading: Reading) -> Verdict:
    """A line's picture and words."""
    picture = album / line.crop if line.crop else album / SMALL / reading.small if reading.small else None
    words = "; ".join(line.reasons)
    if line.decided_by == "you":
        words = f"your decision ({words})" if words else "your decision"
    mask = album / mask_name(line.crop) if line.crop else None
    return Verdict(picture, line.file, line.use, words, mask if mask is not None and mask.exists() else None)
