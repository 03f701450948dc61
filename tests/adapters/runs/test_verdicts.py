"""The contact sheet of verdicts: what is kept, what is not, and what of a picture was made up."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from gpk_runs.sheet import MARGIN, TITLE
from gpk_runs.verdicts import GAP, HEADING, PALER, SIDE, Verdict, write_verdicts

TOP = MARGIN + TITLE + GAP + HEADING + GAP
"""Of the first row of what is kept."""


def test_a_thumbnail_that_is_gone_or_none_leaves_its_place_empty(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    Image.new("RGB", (64, 64), (20, 40, 200)).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:60])
    os.mkfifo(tmp_path / "pipe.png")  # which nobody writes to: opened as a file it waits for ever
    bad = [Verdict(tmp_path / f"{name}.png", name, True) for name in ("gone", "text", "cut", "pipe")]
    masked = Verdict(tmp_path / "whole.png", "mask", True, "", tmp_path / "gone.png")
    write_verdicts(tmp_path / "sheet.png", [*bad, masked], title="5 of 5")
    with Image.open(tmp_path / "sheet.png") as sheet:
        places = [sheet.getpixel((MARGIN + k * (SIDE + GAP) + SIDE // 2, TOP + SIDE // 2)) for k in range(5)]
    assert places == [(232, 232, 230)] * 5


def test_what_is_not_the_photos_own_is_paled(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), (20, 40, 200)).save(tmp_path / "a.png")
    mask = Image.new("L", (64, 64), 255)
    mask.paste(0, (0, 0, 32, 64))
    mask.save(tmp_path / "mask.png")
    shown = [Verdict(tmp_path / "a.png", "a", True, "", tmp_path / "mask.png"), Verdict(tmp_path / "a.png", "b", True)]
    write_verdicts(tmp_path / "sheet.png", shown, title="2 of 2")
    with Image.open(tmp_path / "sheet.png") as sheet:
        left, right = (sheet.getpixel((MARGIN + x, TOP + SIDE // 2)) for x in (SIDE // 4, 3 * SIDE // 4))
        whole = sheet.getpixel((MARGIN + SIDE + GAP + SIDE // 4, TOP + SIDE // 2))
    assert right == whole == (20, 40, 200)
    assert isinstance(left, tuple)
    assert left[0] > 20 + (252 - 20) * PALER - 8
