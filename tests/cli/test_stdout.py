"""stdout holds data alone."""

from __future__ import annotations

import io
import json
import sys

import pytest

from gpk_cli.stdout import data_alone, json_alone, print_json


def test_with_json_not_even_print_is_data(capsys: pytest.CaptureFixture[str]) -> None:
    outer = sys.stdout
    with data_alone(to_the_end=False):
        print("a table")
        assert not json_alone(False)
        print("a row")
        assert json_alone(True)
        print("noise")
        print_json({"naïve": [1, None]})
    assert sys.stdout is outer
    said = capsys.readouterr()
    table, rest = said.out[:14], said.out[14:]
    assert (table, json.loads(rest), said.err) == ("a table\na row\n", {"naïve": [1, None]}, "noise\n")


def test_a_stdout_that_is_closed_or_none_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    for stream in (closed, None):
        monkeypatch.setattr(sys, "stdout", stream)
        with data_alone(to_the_end=True):
            pass
        assert sys.stdout is stream
