"""Boxes that a person gives: read by name, and each mistake told by its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpk.detector import Found
from gpk.errors import InputError
from gpk.framing import Framing, Square
from gpk_photos.boxes import read_boxes

NAMES = ("tom.jpg", "sub/tim.heic", "third.png")
HEAD = "file,left,top,right,bottom,roll\n"


def read(tmp_path: Path, text: str) -> dict[str, Found]:
    file = tmp_path / "box.csv"
    file.write_text(text, encoding="utf-8")
    return read_boxes(file, NAMES)


def test_boxes_by_name(tmp_path: Path) -> None:
    boxes = read(tmp_path, "\ufeff" + HEAD + "tom.jpg,310,220,1490,1400,\nsub/tim.heic,12,40,800,828.5,-8.5\n")
    assert boxes == {
        "tom.jpg": Found((310, 220, 1490, 1400)),
        "sub/tim.heic": Found((12, 40, 800, 828.5), roll=-8.5),
    }
    assert Framing().square(boxes["tom.jpg"]) == Square(900, 810, 1180)
    assert read(tmp_path, "bottom, file ,left,top,right\n9,third.png,1,2,5\n") == {"third.png": Found((1, 2, 5, 9))}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has no column file, left, top, right, bottom: its first line is file,left,top,right,bottom"),
        ("file,left,top\n", "has no column right, bottom"),
        (HEAD + "tim.heic,1,2,3,4,\n", "line 2: unknown photo 'tim.heic': did you mean 'sub/tim.heic'"),
        (HEAD + "tom.jpg,1,2,3,4,\ntom.jpg,1,2,3,4,\n", "line 3: tom.jpg has a box already: keep one line"),
        (HEAD + "tom.jpg,1,two,3,4,\n", "line 2: top is 'two': give a number of pixels"),
        (HEAD + "tom.jpg,1,2,3\n", "line 2: bottom is '': give a number of pixels"),
        (HEAD + "tom.jpg,1,2,inf,4,\n", "line 2: right is 'inf': give a number of pixels"),
        (HEAD + "tom.jpg,1,2,3,4,left\n", "line 2: roll is 'left': give a number of degrees"),
        (HEAD + "tom.jpg,3,2,3,4,\n", "line 2: the box is empty: right must be beyond left, and bottom below top"),
    ],
)
def test_mistakes_are_told_by_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    assert told in str(caught.value)
    assert "box.csv" in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*gone\.csv as a CSV file in UTF-8"):
        read_boxes(tmp_path / "gone.csv", NAMES)
    (tmp_path / "box.csv").write_bytes(b"\xff\xfe\x00f")
    with pytest.raises(InputError, match="as a CSV file in UTF-8"):
        read_boxes(tmp_path / "box.csv", NAMES)
