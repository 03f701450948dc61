"""A contact sheet: rows of pictures under column headings, on paper white.

Sizes are in pixels of the sheet; R is the side of a picture.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from math import ceil
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from gpk_runs.pictures import to_image, write_picture

PAPER, INK, GREY = (252, 252, 250), (28, 28, 30), (110, 110, 115)
MARGIN, GAP, CAPTION_WIDTH = 40, 10, 150
TITLE, HEADING, CAPTION = 26, 15, 14
"""Type sizes."""
_NEAREST = str.maketrans(
    {"\N{MINUS SIGN}": "-", "\N{EN DASH}": "-", "\N{EM DASH}": "-", "\N{MULTIPLICATION SIGN}": "x"}
)


def contact_sheet(
    rows: Sequence[Sequence[Tensor]],
    *,
    columns: Sequence[str] = (),
    captions: Sequence[str] | None = None,
    title: str = "",
    side: int = 192,
    margin: int = MARGIN,
) -> Image.Image:
    """The rows of pictures [3, R, R] in [-1, 1], each enlarged (Lanczos) to `side`, with `margin` around them.

    Rows may be of different lengths. A heading that is too long for its column is cut with an ellipsis, and so is a
    caption after three lines.
    """
    count = max((len(row) for row in rows), default=0)
    left = margin + (CAPTION_WIDTH + GAP if captions else 0)
    top = margin + (TITLE + margin * 2 // 3 if title else 0) + (HEADING + GAP if columns else 0)
    step = side + GAP
    titled = margin + ceil(ImageFont.load_default(TITLE).getlength(_drawable(title)))
    width = max(left + count * step - GAP, titled) + margin
    sheet = Image.new("RGB", (width, top + len(rows) * step - GAP + margin), PAPER)
    draw = ImageDraw.Draw(sheet)
    if title:
        write_text(draw, (margin, margin), title, TITLE, INK, width)
    for i, heading in enumerate(columns[:count]):
        write_text(draw, (left + i * step, top - GAP - HEADING), heading, HEADING, GREY, side)
    for j, row in enumerate(rows):
        y = top + j * step
        if captions and j < len(captions):
            _caption(draw, margin + CAPTION_WIDTH, y + side / 2, captions[j])
        for i, picture in enumerate(row):
            sheet.paste(to_image(picture).resize((side, side), Image.Resampling.LANCZOS), (left + i * step, y))
    return sheet


def write_sheet(
    path: Path,
    rows: Sequence[Sequence[Tensor]],
    *,
    columns: Sequence[str] = (),
    captions: Sequence[str] | None = None,
    title: str = "",
    side: int = 192,
) -> None:
    """Writes `contact_sheet` to the PNG at `path`, whole or not at all; raises RunError where it cannot be written."""
    write_picture(path, contact_sheet(rows, columns=columns, captions=captions, title=title, side=side))


def _caption(draw: ImageDraw.ImageDraw, right: float, middle: float, text: str) -> None:
    """A row's caption in up to three lines, right-aligned against its pictures."""
    font = ImageFont.load_default(CAPTION)
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= CAPTION_WIDTH:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    if len(lines) > 3:
        lines = [*lines[:2], f"{lines[2]}…"]
    leading = CAPTION * 1.35
    for i, line in enumerate(lines):
        y = middle + (i - len(lines) / 2) * leading
        write_text(draw, (right, y), line, CAPTION, INK if i == 0 else GREY, CAPTION_WIDTH, anchor="ra")


def _drawable(text: str) -> str:
    """`text` in the letters of Pillow's own font, ASCII and little more: accents dropped, a question mark for the rest.

    A system's font would have them all, and make one sheet differ from machine to machine.
    """
    letters = unicodedata.normalize("NFKD", text.translate(_NEAREST))
    return "".join(c if c.isascii() or c in "·°" else "?" for c in letters if not unicodedata.combining(c))


def write_text(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    size: int,
    colour: tuple[int, int, int],
    width: float,
    *,
    anchor: str = "la",
) -> None:
    """One line of text, Pillow's `anchor` of it at `at`, cut with an ellipsis where it is wider than `width`."""
    font = ImageFont.load_default(size)
    text = _drawable(text)
    cut = text
    while cut and font.getlength(cut if cut == text else f"{cut}…") > width:
        cut = cut[:-1]
    draw.text(at, cut if cut == text else f"{cut.rstrip()}…", colour, font, anchor=anchor)
