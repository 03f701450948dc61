"""Harmless inputs that overdraw a small budget, and a pipe that nobody writes to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gpk.errors import WeightsError
from gpk_checkpoints.budget import Budget, open_file, parse_json, read_file


def test_a_budget_ends_by_each_of_its_sums() -> None:
    with pytest.raises(WeightsError, match="holds more values"):
        Budget("x.bin", items=2).spend(3)
    with pytest.raises(WeightsError, match="more bytes"):
        Budget("x.bin", size=2).spend(size=3)
    with pytest.raises(WeightsError, match="in 0 s"):
        Budget("x.bin", seconds=0).spend()
    budget = Budget("x.bin", depth=1)
    with budget.inside(), pytest.raises(WeightsError, match="nested deeper"), budget.inside():
        pass
    with budget.inside():  # a level that was left is not spent
        pass


def test_json_is_counted_before_it_is_made() -> None:
    assert parse_json(b'\xef\xbb\xbf{"a": [1, 2]}', Budget("x")) == {"a": [1, 2]}
    with pytest.raises(WeightsError, match="more values"):
        parse_json("[1, 2, 3]", Budget("x", items=2))
    with pytest.raises(ValueError, match="Expecting"):
        parse_json("[1,", Budget("x"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_no_file_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for other in (tmp_path / "pipe", tmp_path, Path(os.devnull)):
        with pytest.raises(WeightsError, match="is no file"):
            open_file(other)
    (tmp_path / "file").write_bytes(b"abc")
    assert read_file(tmp_path / "file", 3) == b"abc"
    with pytest.raises(WeightsError, match="larger"):
        read_file(tmp_path / "file", 2)
