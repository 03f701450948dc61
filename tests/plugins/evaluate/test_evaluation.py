"""An evaluation that goes on: what its log says, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from gpk.errors import RunError
from gpk_checkpoints.files import write_safetensors
from gpk_evaluate.evaluation import Measured, evaluate, examples_of
from gpk_evaluate.instruments import Instruments
from gpk_evaluate.settings import Evaluation
from gpk_evaluate.table import tables, to_markdown
from gpk_runs.run import Run

MEASURED = Measured(
    "cat", "personalized", None, "synthesis", {"hull": {"ID_sim": float("nan"), "PSNR": 20.0}}, None, 3, 4
)


def gone_on(folder: Path, plain: Any) -> list[Measured]:
    with Run.open(folder, {}) as run:
        run.record("measured", {"measured": plain})
        return evaluate([], Evaluation(), Instruments({}, {}), run)


def test_what_was_measured_is_there_again(tmp_path: Path) -> None:
    (measured,) = gone_on(tmp_path / "run", MEASURED.to_json() | {"of a later gpk": 1})
    assert measured.figures == {"hull": {"ID_sim": None, "PSNR": 20.0}}
    assert [table.cells() for table in tables([measured])] == [[["hull", "personalized", "", "20.0"]]]
    assert "| hull | personalized |" in to_markdown([measured], {"networks": {}, "absent": {}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"figures": []}, r"figures is \[\], where a mapping is needed"),
        ({"figures": {"hull": {"PSNR": "high"}}}, r"figures\.hull\.PSNR is 'high'"),
        ({"numbers": None}, "numbers is None, where a whole number is needed"),
        ({"sitter": 3}, "subject is 3, where text is needed"),
        ({"curve": {"0": "a"}}, "curve"),
    ],
)
def test_what_was_measured_otherwise_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(RunError, match=rf"log\.jsonl, line 1: {message}.*put the line back"):
        gone_on(tmp_path / "run", MEASURED.to_json() | change)
    with pytest.raises(RunError, match="line 1: measured is 3"):
        gone_on(tmp_path / "other", 3)


def test_pictures_that_are_none_are_refused(tmp_path: Path) -> None:
    with Run.open(tmp_path / "run", {}) as run:
        file = run.directory / "examples" / "cat, personalized, synthesis.safetensors"
        picture = torch.zeros(1, 3, 4, 4)
        for tensors, captions in (
            ({"shown": picture}, "[3]"),
            ({"shown": picture}, "["),
            ({"other": picture}, "[]"),
            ({"shown": picture[0]}, "[]"),
        ):
            write_safetensors(file, tensors, {"captions": captions})
            with pytest.raises(RunError, match=r"delete it, its line in log\.jsonl"):
                examples_of(run, "cat", "personalized", "synthesis")
        file.write_bytes(b"none")
        with pytest.raises(RunError, match="is damaged or cut short"):
            examples_of(run, "cat", "personalized", "synthesis")
