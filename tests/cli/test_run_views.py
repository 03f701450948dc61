"""`gpk run synthesize`, `views` and `interpolate`, each on what the one before it wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

Gpk = Callable[..., CompletedProcess[str]]


def test_new_pictures_are_turned_and_join_on_a_path(gpk: Gpk, tmp_path: Path, cat: Any) -> None:
    drawn = gpk("run", "synthesize", str(cat.run), "--count", "3", "--out", str(tmp_path / "drawn"), "--json")
    assert drawn.returncode == 0, drawn.stderr
    codes = str(tmp_path / "drawn" / "codes.safetensors")
    assert json.loads(drawn.stdout)["files"] == [codes]

    turn = ("run", "views", str(cat.run), "--codes", codes, "--anchors", "0,2", "--yaw", "-0.35,0.35", "--pitch", "0")
    turn = (*turn, "--frames", "4", "--album", str(cat.held_out), "--out", str(tmp_path / "turned"))
    turned = gpk(*turn, "--json")
    assert turned.returncode == 0, turned.stderr
    outcome = json.loads(turned.stdout)
    assert list(outcome["figures"]) == ["code 0", "code 2"]
    assert all(figures["lowest id_sim"] > 0.5 for figures in outcome["figures"].values())  # two cats have about 0
    assert all(Path(path).exists() for path in outcome["files"] + outcome["pictures"])
    again = gpk(*turn)
    assert "is finished already" in again.stderr
    assert "turntable.webp" in again.stdout
    log = tmp_path / "turned" / "log.jsonl"
    kept = log.read_text()
    for wrong in ('"files": 3', '"files": [3]', '"figures": {"a": {"b": "c"}}'):
        log.write_text(f'{{"event": "done", "outcome": {{{wrong}}}}}\n{{"event": "finished"}}\n')
        refused = gpk(*turn)
        assert refused.returncode == 2
        assert f"{log}, line 1: outcome.f" in refused.stderr
    log.write_text(kept)

    path = (
        "run",
        "interpolate",
        str(cat.run),
        "--codes",
        codes,
        "--between",
        "0:2,1:0",
        "--steps",
        "2",
        "--frames",
        "2",
    )
    walked = gpk(*path, "--out", str(tmp_path / "walked"), "--json")
    assert walked.returncode == 0, walked.stderr
    outcome = json.loads(walked.stdout)
    assert list(outcome["figures"]) == ["code 0 to 2", "code 1 to 0"]
    assert all(Path(path).exists() for path in outcome["files"] + outcome["pictures"])


def test_in_2d_there_are_paths_and_pictures_and_no_views(gpk: Gpk, tmp_path: Path, cat: Any) -> None:
    flat = ("--backend", "stylegan2-minicat")
    drawn = gpk("run", "synthesize", *flat, "--source", "prior", "--count", "2", "--out", str(tmp_path / "drawn"))
    assert drawn.returncode == 0, drawn.stderr
    codes = str(tmp_path / "drawn" / "codes.safetensors")
    path = ("run", "interpolate", *flat, "--codes", codes, "--steps", "2", "--frames", "2")
    walked = gpk(*path, "--out", str(tmp_path / "walked"))
    assert walked.returncode == 0, walked.stderr
    assert "code 0 to 1" in walked.stdout
    turned = gpk("run", "views", *flat, "--codes", codes, "--out", str(tmp_path / "turned"))
    assert turned.returncode == 2
    assert "stylegan2-minicat is a 2D generator and has no views: `views` needs a 3D one" in turned.stderr
    assert not (tmp_path / "turned").exists()
    solid = gpk("run", "views", str(cat.run), "--codes", codes, "--out", str(tmp_path / "turned"))
    assert solid.returncode == 2
    assert (
        "holds codes of the backend stylegan2-minicat, not eg3d-minicat: use --backend stylegan2-minicat"
        in solid.stderr
    )


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("views", "--yaw", "20,0"), "yaw is in radians, from -3.142 to 3.142, not 20"),
        (("views", "--anchors", "x"), "anchors[0] is 'x', where a whole number is needed"),
        (("interpolate", "--between", "0-5"), "a pair is two numbers counted from 0, such as 0:5, not '0-5'"),
        (("synthesize", "--truncation", "1.2"), "a truncation of 1.2 would leave the hull"),
    ],
)
def test_what_cannot_be_shown_is_told_and_leaves_nothing(
    gpk: Gpk, tmp_path: Path, cat: Any, command: tuple[str, ...], message: str
) -> None:
    refused = gpk("run", command[0], str(cat.run), *command[1:], "--out", str(tmp_path / "out"))
    assert refused.returncode == 2
    assert message in refused.stderr
    assert refused.stdout == ""
    assert not (tmp_path / "out").exists()
