import json
from pathlib import Path

import numpy as np
import pytest
import torch

from gpk.errors import RunError
from gpk_runs.log import line, read_log


def test_facts_become_json() -> None:
    facts = {
        "tensor": torch.tensor([1, 2]),
        "scalar": np.float32(0.5),
        "infinite": [float("inf"), torch.tensor(float("nan"))],
        "path": Path("/home/somebody/a.png"),
        "kinds": frozenset({"b", "a"}),
        "nested": {1: (True, None)},
        "device": torch.device("cpu"),
    }
    assert json.loads(line("x", 0.0, facts)) == {
        "event": "x",
        "time": 0.0,
        "tensor": [1, 2],
        "scalar": 0.5,
        "infinite": [None, None],
        "path": "a.png",
        "kinds": ["a", "b"],
        "nested": {"1": [True, None]},
        "device": "cpu",
    }


def test_the_logs_own_names_are_refused() -> None:
    with pytest.raises(ValueError, match="facts may not be called time: the log uses that itself"):
        line("x", 0.0, {"time": 3})


def test_a_line_break_stays_inside_its_line() -> None:
    assert line("x", 0.0, {"text": "a\nb"}).count(b"\n") == 1


def test_no_log_has_no_events(tmp_path: Path) -> None:
    assert read_log(tmp_path / "log.jsonl") == []


def test_a_half_written_last_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(line("a", 0.0, {}) + line("b", 0.0, {})[:-1])
    assert [event["event"] for event in read_log(path)] == ["a"]


@pytest.mark.parametrize("broken", [b"\x00\x00\n", b"[1]\n", b"\n", b"\xff\n"])
def test_another_broken_line_is_told(tmp_path: Path, broken: bytes) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(line("a", 0.0, {}) + broken + line("b", 0.0, {}))
    with pytest.raises(RunError, match=r"log\.jsonl, line 2 is no JSON object"):
        read_log(path)


def test_a_folder_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is no file, but a folder"):
        read_log(tmp_path)
