from pathlib import Path

import pytest
import torch
from PIL import Image

from gpk.errors import RunError
from gpk_runs.pictures import to_image, write_picture
from gpk_runs.sheet import CAPTION_WIDTH, GAP, MARGIN, PAPER, contact_sheet, write_sheet

RED = torch.tensor([1.0, -1.0, -1.0])[:, None, None].expand(3, 8, 8)


def test_the_range_of_a_picture() -> None:
    row = torch.tensor([[-1.0, 0.0, 1.0, 2.0, -3.0, torch.nan]])
    image = to_image(row.expand(3, 1, 6))
    assert [image.getpixel((x, 0))[0] for x in range(6)] == [0, 128, 255, 255, 0, 128]  # pyright: ignore[reportIndexIssue, reportOptionalSubscript]
    assert to_image(row[None]).mode == "RGB"


def test_pictures_say_that_they_are_synthetic(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", RED)
    with Image.open(tmp_path / "a.png") as image:
        image.load()
        assert "digitalsourcetype/trainedAlgorithmicMedia" in image.info["XML:com.adobe.xmp"]
        assert image.size == (8, 8)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_a_picture_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(RunError, match=r"cannot write .*a\.png: Is a directory"):
        write_picture(tmp_path / "a.png", RED)


def test_pictures_stand_where_they_belong() -> None:
    sheet = contact_sheet([[RED, -RED], [RED]], captions=["one", "two"], side=64)
    left = MARGIN + CAPTION_WIDTH + GAP
    assert sheet.size == (left + 2 * 64 + GAP + MARGIN, 2 * MARGIN + 2 * 64 + GAP)
    below = MARGIN + 64 + GAP
    assert sheet.getpixel((left, MARGIN)) == sheet.getpixel((left + 63, MARGIN + 63)) == (255, 0, 0)
    assert sheet.getpixel((left + 64 + GAP, MARGIN)) == (0, 255, 255)
    assert sheet.getpixel((left, below)) == (255, 0, 0)
    assert sheet.getpixel((left + 64 + GAP, below)) == PAPER
    assert sheet.getpixel((left - 1, below + 1)) == PAPER


def test_text_stays_out_of_the_pictures_and_inside_the_sheet() -> None:
    """However long, it changes no picture and draws nothing in the margins."""
    long = "incomprehensibilities " * 9
    with_text = contact_sheet([[RED] * 3] * 2, columns=[long] * 3, captions=[long] * 2, title="a title", side=64)
    without = contact_sheet([[RED] * 3] * 2, columns=[" "] * 3, captions=[" "] * 2, title=" ", side=64)
    assert with_text.size == without.size
    x0, y0, x1, y1 = with_text.getbbox() or (0, 0, 0, 0)
    left = MARGIN + CAPTION_WIDTH + GAP
    for i in range(3):
        for j in range(2):
            x, y = left + i * (64 + GAP), y1 - MARGIN - (2 - j) * 64 - (1 - j) * GAP
            assert with_text.crop((x, y, x + 64, y + 64)).getcolors() == [(64 * 64, (255, 0, 0))]
    for margin in ((x0, y0, MARGIN - 1, y1), (x1 - MARGIN, y0, x1, y1), (x0, y1 - MARGIN, x1, y1)):
        assert with_text.crop(margin).getcolors() == [((margin[2] - margin[0]) * (margin[3] - margin[1]), PAPER)]
    assert with_text.crop((left, 0, x1, y1)).tobytes() != without.crop((left, 0, x1, y1)).tobytes()
    assert with_text.crop((0, 0, left, y1)).tobytes() != without.crop((0, 0, left, y1)).tobytes()


def test_a_long_title_widens_the_sheet() -> None:
    assert contact_sheet([[RED]], title="a title " * 12, side=64).width > contact_sheet([[RED]], side=64).width


def test_the_same_sheet_is_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_sheet(tmp_path / name, [[RED]], columns=["photo"], captions=["one"], title="\N{MINUS SIGN} a title")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_letters_that_the_font_lacks_are_replaced() -> None:
    """Boxes would stand for them otherwise."""
    title = "\N{MINUS SIGN}0.35 \N{MULTIPLICATION SIGN} Zoë · 猫"
    plain = contact_sheet([[RED]], title="-0.35 x Zoe · ?", columns=["?"])
    assert contact_sheet([[RED]], title=title, columns=["→"]).tobytes() == plain.tobytes()


def test_nothing_to_show() -> None:
    assert contact_sheet([]).width > 0
