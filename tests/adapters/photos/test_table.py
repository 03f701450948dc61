"""CSV files as people and spreadsheets write them, and every reader of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gpk.errors import InputError
from gpk_photos.boxes import read_boxes
from gpk_photos.scores import read_scores
from gpk_photos.selection import read_decisions
from gpk_photos.table import Table, read_table

READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "boxes": ("file,left,top,right,bottom,roll", lambda path: read_boxes(path, ["a.png"])),
    "scores": ("file,smile,glasses", lambda path: read_scores(path, 3)),
    "selection": ("file,crop,use,decided by,gpk says,why", lambda path: read_decisions(path, ["a.png"])),
}


def rows(text: str) -> list[tuple[str, dict[str, str]]]:
    return list(Table(Path("t.csv"), text.encode()).rows())


def test_cells_by_column_with_their_line() -> None:
    assert rows("\ufeffa,b\r\n1, 2 \r\n\r\n,,\r\n3\r\n") == [
        ("t.csv, line 2", {"a": "1", "b": "2"}),
        ("t.csv, line 5", {"a": "3", "b": ""}),
    ]
    assert rows("a;b\n1,5;2\n") == [("t.csv, line 2", {"a": "1,5", "b": "2"})]
    assert rows('a,b\n"x,\ny",2\n') == [("t.csv, line 3", {"a": "x,\ny", "b": "2"})]
    assert rows("a,b\r1,2\r") == [("t.csv, line 2", {"a": "1", "b": "2"})]  # an old Macintosh


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a,b\n1,2,3\n", "t.csv, line 2 has 3 cells, and the first line 2: put a name that has a comma in double"),
        (b"a,b,a\n1,2,3\n", "t.csv has two columns 'a': take one away"),
        (b"a,b\n1,\0\n", "as a CSV file in UTF-8: it has a zero byte: save it as that"),
        (b"a,b\n\xff,2\n", "as a CSV file in UTF-8: invalid start byte at byte 4"),
        (b"a,b\n" + b"x" * 200_000, "line 2: field larger than field limit"),
        (b'a,b\n"' + b"x\n" * 100_000, "field larger than field limit"),
        (b"a" + b"," * (2**23 + 1), "more values than any such file"),
        (b"a" + b"," * 2**12 + b"\nx" * 2**12, "more values than any such file"),
    ],
    ids=["wide", "twice", "zero", "latin", "long", "unclosed", "columns", "cells"],
)
def test_what_is_no_table_is_a_sentence(content: bytes, told: str) -> None:
    with pytest.raises(InputError, match=r"t\.csv") as caught:
        list(Table(Path("t.csv"), content).rows())
    assert told in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("line", ["a.png,1,2,3,4,5,6,7,8", "a.png", "x" * 99_999, "9" * 5000 + ",1", '"', "\0", "²,1"])
def test_every_reader_takes_a_line_or_answers_it(tmp_path: Path, reader: str, line: str) -> None:
    heading, read = READERS[reader]
    (tmp_path / "t.csv").write_text(f"{heading}\n{line}\n", encoding="utf-8")
    told = ""
    try:
        read(tmp_path / "t.csv")
    except InputError as error:
        told = str(error)
    assert len(told) < 500


@pytest.mark.parametrize("reader", READERS)
def test_no_reader_waits_for_a_pipe(tmp_path: Path, reader: str) -> None:
    os.mkfifo(tmp_path / "t.csv")
    with pytest.raises(InputError, match=r"t\.csv is no file, but a folder, a pipe or a device"):
        READERS[reader][1](tmp_path / "t.csv")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*gone\.csv as a CSV file in UTF-8: No such file"):
        read_table(tmp_path / "gone.csv")


def test_decisions_on_names_with_spaces_at_their_ends_count(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"{READERS['selection'][0]}\n a.jpg ,x,no,gpk,yes,\n")
    assert read_decisions(tmp_path / "t.csv", [" a.jpg "]) == ({" a.jpg ": False}, [])


def test_a_text_that_begins_as_a_picture_does_is_a_table(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("BMW,x\na.png,1\n")
    assert read_table(tmp_path / "t.csv").columns == ["BMW", "x"]
    (tmp_path / "t.csv").write_bytes(b"BM\0\0\0\0\xff")
    with pytest.raises(InputError, match=r"t\.csv is a picture \(BMP\)\. A CSV file in UTF-8 is needed"):
        read_table(tmp_path / "t.csv")
