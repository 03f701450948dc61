import json
from dataclasses import dataclass
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


def test_a_name_that_is_no_text_stays_itself(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(line("a", 0.0, {"photos": ["M\xf6we\udcff.png"]}))
    assert read_log(path)[0]["photos"] == ["M\xf6we\udcff.png"]


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


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "1e39", "9" * 5000])
def test_a_number_beyond_all_measure_is_none_as_where_it_is_written(tmp_path: Path, number: str) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(f'{{"event": "a", "loss": {number}, "last": [3e38, {number}]}}\n')
    assert [dict(event) for event in read_log(path)] == [{"event": "a", "loss": None, "last": [3e38, None]}]


@pytest.mark.parametrize("start", ["[", '{"event":', '{"event": "a", "facts": [['])
def test_a_line_that_is_nested_deep_is_refused(tmp_path: Path, start: str) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(line("a", 0.0, {}) + start.encode() * 50_000 + b"\n")
    with pytest.raises(RunError, match=r"log\.jsonl, line 2 (holds values nested deeper|is no JSON object)"):
        read_log(path)


def test_a_line_without_the_name_of_its_event_is_told(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    for event in (b"{}", b'{"event": 3}', b'{"event": ["a"]}'):
        path.write_bytes(line("a", 0.0, {}) + event + b"\n")
        with pytest.raises(RunError, match=r"line 2 does not say what event it is: .*put the line back"):
            read_log(path)


def test_more_values_than_any_log_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(line("a", 0.0, {"many": list(range(30))}))
    monkeypatch.setattr("gpk_runs.log.MOST_VALUES", 10)
    with pytest.raises(RunError, match="line 1 holds more values than any such file"):
        read_log(path)
    monkeypatch.setattr("gpk_runs.log.MOST_BYTES", 10)
    with pytest.raises(RunError, match="larger than such a file is"):
        read_log(path)


@dataclass(frozen=True)
class Step:
    """Facts of an event."""

    step: int
    l2: float | None = None


def test_facts_are_read_as_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(line("a", 0.0, {"step": 3, "l2": float("nan"), "of a later gpk": {"x": 1}}) + line("a", 0.0, {}))
    known, missing = read_log(path)
    assert known.read(Step) == Step(3)
    with pytest.raises(RunError, match=r"log\.jsonl, line 2: step is missing: .*: .*put the line back"):
        missing.read(Step)


@pytest.mark.parametrize("value", ["x" * 10**6, [[["x"] * 99] * 99] * 99, {"a" * 10**5: 1}, True, 0.5])
def test_what_is_wrong_is_quoted_in_a_line(tmp_path: Path, value: object) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(line("a", 0.0, {"step": value}))
    with pytest.raises(RunError, match=r"line 1: step is .*, where a whole number is needed") as refused:
        read_log(path)[0].read(Step)
    assert len(str(refused.value).removeprefix(str(path))) < 600


def test_a_folder_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is no file, but a folder"):
        read_log(tmp_path)
