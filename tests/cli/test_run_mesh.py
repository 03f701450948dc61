"""`gpk mesh`: from a run to a file that other programs read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

trimesh = pytest.importorskip("trimesh")
pytest.importorskip("skimage")

Gpk = Callable[..., CompletedProcess[str]]


def test_a_cat_becomes_a_mesh_that_looks_as_its_picture_does(gpk: Gpk, tmp_path: Path, cat: Any) -> None:
    command = ("mesh", str(cat.run), "--anchors", "2", "--resolution", "64", "--format", "both")
    command = (*command, "--out", str(tmp_path / "out"))
    made = gpk(*command, "--json")
    assert made.returncode == 0, made.stderr
    outcome = json.loads(made.stdout)
    assert [Path(path).name for path in outcome["files"]] == ["anchor-2.glb", "anchor-2.ply"]
    assert all(Path(path).exists() for path in outcome["files"] + outcome["pictures"])
    figures = outcome["figures"]["anchor 2"]
    assert figures["off in depth"] < 0.04
    assert figures["off in colour"] < 0.06
    assert figures["open edges"] == 0

    (mesh,) = trimesh.load(outcome["files"][0], process=False).geometry.values()
    assert mesh.is_watertight
    head = mesh.vertices[mesh.vertices[:, 1] > -0.25]
    ears, face = head[head[:, 1] > 0.3], head[head[:, 2] > 0.25]
    assert len(ears)
    assert ears[:, 0].max() < -0.1  # the right one alone: this cat's left ear, at +x, has lost its tip
    assert face[:, 1].max() < 0.15
    assert mesh.vertices[:, 1].min() == pytest.approx(-0.675, abs=0.01)  # the bust goes on, and is capped
    again = gpk(*command)
    assert "is finished already" in again.stderr
    assert "anchor-2.glb" in again.stdout


def test_in_2d_and_without_a_code_there_is_no_mesh(gpk: Gpk, tmp_path: Path, cat: Any) -> None:
    flat = gpk("run", "mesh", "--backend", "stylegan2-minicat", "--out", str(tmp_path / "out"))
    assert flat.returncode == 2
    assert "stylegan2-minicat is a 2D generator and has no views: `mesh` needs a 3D one" in flat.stderr
    whose = gpk("mesh", "--backend", "eg3d-minicat", "--out", str(tmp_path / "out"))
    assert whose.returncode == 2
    assert "which codes? Give a persona, or a file of codes with --codes" in whose.stderr
    empty = gpk("mesh", str(cat.run), "--resolution", "64", "--level", "1e6", "--out", str(tmp_path / "out"))
    assert empty.returncode == 2
    assert "no surface at a density of 1e+06, since the densest point has" in empty.stderr
    assert not (tmp_path / "out").exists()
