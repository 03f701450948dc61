"""Scores of pictures in a CSV file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gpk.errors import InputError
from gpk_photos.scores import read_scores

NAN = float("nan")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "labels.csv"


def test_scores_by_file(table: Path) -> None:
    table.write_text("file,smile,glasses\n00000.png,1,no\npictures/00002.png,, Yes\n00003.jpg,-0.5,\n")
    scores = read_scores(table, 4)
    assert list(scores) == ["smile", "glasses"]
    torch.testing.assert_close(scores["smile"], torch.tensor([1.0, NAN, NAN, -0.5]), equal_nan=True)
    torch.testing.assert_close(scores["glasses"], torch.tensor([0.0, NAN, 1.0, NAN]), equal_nan=True)


def test_scores_by_index_as_spreadsheets_write_them(table: Path) -> None:
    table.write_bytes("\N{ZERO WIDTH NO-BREAK SPACE}smile,index\r\n0.25,1\r\ntrue,0\r\n".encode())
    torch.testing.assert_close(read_scores(table, 2)["smile"], torch.tensor([1.0, 0.25]))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "needs a first line of column names"),
        ("file\n00000.png\n", "needs a first line of column names"),
        ("name,smile\n00000.png,1\n", "needs a first line of column names, `file` or `index`"),
        ("file,smile\ncat.png,1\n", "line 2: 'cat.png' is no picture's number"),
        ("file,smile\n00000.png,1\n00004.png,1\n", "line 3: there is no picture 00004: .* the last is 3"),
        ("index,smile\n-1,1\n", "line 2: '-1' is no picture's number"),
        ("file,smile\n00000.png,maybe\n", "line 2: smile is 'maybe': give a number, yes or no, or nothing"),
        ("file,smile\n00000.png,inf\n", "line 2: smile is 'inf'"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(table: Path, text: str, told: str) -> None:
    table.write_text(text)
    with pytest.raises(InputError, match=told):
        read_scores(table, 4)


def test_files_that_cannot_be_read(table: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .* as a CSV file in UTF-8"):
        read_scores(table, 4)
    table.write_bytes(b"file,sm\xefle\n")
    with pytest.raises(InputError, match=r"cannot read .* as a CSV file in UTF-8"):
        read_scores(table, 4)
