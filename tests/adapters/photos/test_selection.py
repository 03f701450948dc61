"""selection.csv: what is written comes back, edits are told from suggestions, and no cell is a formula."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpk.errors import InputError
from gpk_photos.selection import Choice, read_decisions, used_crops, write_selection

NAMES = ["=cmd()|'calc'.jpg", "-1.jpg", "@a.jpg", "a\nb.jpg", "' q.jpg", "é,;\t.jpg", "plain.jpg"]


def written(path: Path, *, decided_by: str = "gpk") -> Path:
    write_selection(
        path,
        [Choice(name, f"photos/{i}.png", i % 2 == 0, decided_by, True, ("=why",)) for i, name in enumerate(NAMES)],  # type: ignore[arg-type]
    )
    return path


def test_names_of_every_kind_come_back_and_none_is_a_formula(tmp_path: Path) -> None:
    path = written(tmp_path / "s.csv")
    decisions, notes = read_decisions(path, NAMES)
    assert decisions == dict.fromkeys(NAMES[1::2], False)  # where `use` is not what gpk says
    assert notes == []
    lines = path.read_text("utf-8-sig").splitlines()
    assert len(lines) == 1 + len(NAMES)  # a newline in a name is no new line
    assert not any(cell.startswith(("=", "@")) for line in lines for cell in line.split(","))


def test_a_decision_stays_and_an_empty_cell_gives_it_back(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text(
        "file,crop,use,decided by,gpk says,why\na,x,yes,you,yes,\nb,x,,you,no,\nc,x,NO,gpk,yes,\nd,x,1,gpk,yes,\n"
    )
    assert read_decisions(path, list("abcd"))[0] == {"a": True, "c": False}


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_what_a_spreadsheet_saves_is_read(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "s.csv"
    text = "file,crop,use,decided by,gpk says,why\r\na.jpg,photos/a.png,TRUE,gpk,no,blurred\r\n\r\n".replace(
        ",", delimiter
    )
    path.write_bytes(("\ufeff" + text).encode())
    assert read_decisions(path, ["a.jpg"])[0] == {"a.jpg": True}
    assert used_crops(path.read_bytes(), path) == ({"photos/a.png": "a.jpg"}, {})


def test_bad_edits_are_answered_by_line(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    head = "file,crop,use,decided by,gpk says,why\n"
    path.write_text(f"{head}a,x,yes,gpk,yes,\nb,x,maybe,gpk,yes,\n")
    with pytest.raises(InputError, match=r"line 3: `use` is 'maybe': write yes or no"):
        read_decisions(path, ["a", "b"])
    path.write_text(f"{head}a,x,no,gpk,yes,\na,x,yes,gpk,no,\n")
    with pytest.raises(InputError, match="line 3: a is decided twice, and differently"):
        read_decisions(path, ["a"])
    path.write_text("file,use\na,yes\n")
    with pytest.raises(InputError, match="has no column 'crop': put it back, or delete the file"):
        read_decisions(path, ["a"])
    path.write_bytes(b"file,crop\xff")
    with pytest.raises(InputError, match="as a CSV file in UTF-8: invalid start byte"):
        read_decisions(path, ["a"])
    path.write_text(f"{head}gone,x,yes,gpk,yes,\n")
    assert read_decisions(path, ["a"]) == ({}, [f"{path}, line 2: 'gone' is not among the photos: the line is dropped"])
