"""A contact sheet of verdicts: what is kept first, then what is left out, paled and struck through, with the reason.

One thumbnail is open at a time, so that a sheet of a thousand photos takes no more than the sheet.
Sizes are in pixels of the sheet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from PIL import Image, ImageDraw

from gpk_runs.picture_files import UNREADABLE, open_picture, read_bytes
from gpk_runs.pictures import write_picture
from gpk_runs.sheet import GREY, INK, MARGIN, PAPER, TITLE, write_text

RED = (200, 40, 40)
SIDE, GAP, COLUMNS = 132, 18, 8
"""Of a thumbnail, between two, and how many stand side by side."""
NAME, REASON = 13, 12
"""Type sizes."""
REASON_LINES = 3
HEADING = 20
PALE = 0.5
"""How much of the paper shines through what is left out."""
PALER = 0.75
"""The same of what is not the photo's own: its mirror image beyond the edge."""


@dataclass(frozen=True)
class Verdict:
    """A photo: the file of its thumbnail (None where it cannot be read), its name, whether it is kept, what is said of
    it, and the file of a mask, black where the picture is paled since that is not the photo's own.
    """

    picture: Path | None
    name: str
    kept: bool
    reason: str = ""
    mask: Path | None = None


def write_verdicts(path: Path, verdicts: Sequence[Verdict], *, title: str) -> None:
    """Writes the sheet to the PNG at `path`, whole or not at all; raises RunError where it cannot be written."""
    parts = [[each for each in verdicts if each.kept], [each for each in verdicts if not each.kept]]
    width = 2 * MARGIN + COLUMNS * (SIDE + GAP) - GAP
    steps = [SIDE + _below(part) + GAP for part in parts]
    heights = [
        HEADING + GAP + ceil(len(part) / COLUMNS) * step if part else 0 for part, step in zip(parts, steps, strict=True)
    ]
    sheet = Image.new("RGB", (width, 2 * MARGIN + TITLE + GAP + sum(heights)), PAPER)
    draw = ImageDraw.Draw(sheet)
    write_text(draw, (MARGIN, MARGIN), title, TITLE, INK, width - 2 * MARGIN)
    y = MARGIN + TITLE + GAP
    for part, heading, step, height in zip(parts, ("Used", "Left out"), steps, heights, strict=True):
        if not part:
            continue
        write_text(draw, (MARGIN, y), f"{heading}: {len(part)}", HEADING, INK if heading == "Used" else RED, width)
        for place, each in enumerate(part):
            row, column = divmod(place, COLUMNS)
            corner = (MARGIN + column * (SIDE + GAP), y + HEADING + GAP + row * step)
            _put(sheet, draw, each, corner)
        y += height
    write_picture(path, sheet)


def _below(part: Sequence[Verdict]) -> int:
    """Room for the words under the thumbnails."""
    return NAME + 8 + (REASON_LINES * (REASON + 2) if any(each.reason for each in part) else 0)


def _put(sheet: Image.Image, draw: ImageDraw.ImageDraw, verdict: Verdict, corner: tuple[int, int]) -> None:
    x, y = corner
    tile = Image.new("RGB", (SIDE, SIDE), (232, 232, 230))
    if (small := _thumbnail(verdict)) is not None:
        factor = SIDE / max(small.size)
        sides = max(round(small.width * factor), 1), max(round(small.height * factor), 1)
        small = small.resize(sides, Image.Resampling.LANCZOS)
        tile.paste(small, ((SIDE - small.width) // 2, (SIDE - small.height) // 2))
    if not verdict.kept:
        tile = Image.blend(tile, Image.new("RGB", tile.size, PAPER), PALE)
        mark = ImageDraw.Draw(tile)
        mark.line((0, 0, SIDE, SIDE), RED, 3)
        mark.line((0, SIDE, SIDE, 0), RED, 3)
        mark.rectangle((0, 0, SIDE - 1, SIDE - 1), outline=RED, width=3)
    sheet.paste(tile, corner)
    write_text(draw, (x, y + SIDE + 4), verdict.name, NAME, GREY if not verdict.kept else INK, SIDE)
    for number, line in enumerate(_lines(draw, verdict.reason)):
        at = (x, y + SIDE + 8 + NAME + number * (REASON + 2))
        write_text(draw, at, line, REASON, GREY if verdict.kept else RED, SIDE)


def _thumbnail(verdict: Verdict) -> Image.Image | None:
    """The picture, paled where it is not the photo's own; None where there is none, or none any more."""
    if verdict.picture is None:
        return None
    try:
        with open_picture(read_bytes(verdict.picture)) as file:
            small = file.convert("RGB")
        if verdict.mask is None:
            return small
        with open_picture(read_bytes(verdict.mask)) as file:
            own = file.convert("L").resize(small.size)
    except UNREADABLE:
        return None
    return Image.composite(small, Image.blend(small, Image.new("RGB", small.size, PAPER), PALER), own)


def _lines(draw: ImageDraw.ImageDraw, text: str) -> list[str]:
    """The text in lines that fit under a thumbnail, the last one with all that is left."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and (len(lines) == REASON_LINES or draw.textlength(longer, font_size=REASON) <= SIDE):
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
