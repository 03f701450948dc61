"""`gpk run invert`: a subject's new photos, and what pivotal tuning makes of them used again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

Gpk = Callable[..., CompletedProcess[str]]


@pytest.fixture
def photos(cat: Any, tmp_path: Path) -> Path:
    """One held-out photo."""
    folder = tmp_path / "photos"
    folder.mkdir()
    labels = json.loads((cat.held_out / "dataset.json").read_text())["labels"][:1]
    (folder / "dataset.json").write_text(json.dumps({"labels": labels}))
    shutil.copy(cat.held_out / labels[0][0], folder)
    return folder


def test_a_photo_is_tuned_on_top_of_the_persona_and_used_again(
    gpk: Gpk, cat: Any, photos: Path, tmp_path: Path
) -> None:
    subject, out = cat.run, tmp_path / "out"
    command = ("run", "invert", str(subject), "--album", str(photos), "--protocol", "quick", "--steps", "2", "--pti")
    done = gpk(*command, "--pti-steps", "2", "--out", str(out), "--json")
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["space"] == "hull"
    assert {"psnr", "distance", "id_sim", "id_sim of views"} <= outcome["figures"]["mean"].keys()
    persona = out / "img00000000.pti.persona.safetensors"
    assert str(persona) in outcome["files"]
    assert all(Path(path).exists() for path in outcome["files"] + outcome["pictures"])

    again = gpk(*command, "--pti-steps", "2", "--out", str(out))
    assert again.returncode == 0
    assert "is finished already" in again.stderr
    other = gpk(*command, "--pti-steps", "3", "--out", str(out))
    assert other.returncode == 2
    assert "settings.pti_steps is 2 there and 3 now" in other.stderr

    draw = ("run", "synthesize", str(persona), "--count", "1", "--out", str(tmp_path / "drawn"))
    refused = gpk(*draw)
    assert refused.returncode == 2
    assert "the persona belongs to weights" in refused.stderr
    merged = tmp_path / "merged.safetensors"
    assert gpk("merge", str(subject / "eg3d-minicat.persona.safetensors"), str(merged)).returncode == 0
    used = gpk(*draw, "--weights", str(merged))
    assert used.returncode == 0, used.stderr
    assert (tmp_path / "drawn" / "pictures" / "00000.png").exists()


def test_a_2d_generator_as_it_was_pretrained(gpk: Gpk, photos: Path, tmp_path: Path) -> None:
    done = gpk(
        "run", "invert", "--backend", "stylegan2-minicat", "--album", str(photos), "--space", "w+", "--steps", "2",
        "--out", str(tmp_path / "out"), "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["space"] == "w+"
    assert outcome["figures"].keys() == {"img00000000", "mean"}


def test_what_cannot_be_is_said_in_a_sentence(gpk: Gpk, cat: Any, photos: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    hull = gpk("run", "invert", "--backend", "eg3d-minicat", "--album", str(photos), "--space", "hull", "--out", out)
    assert hull.returncode == 2
    assert "there is no hull without a subject: give a persona, or --space w" in hull.stderr
    none = gpk("run", "invert", str(cat.run))
    assert none.returncode == 2
    assert "which photos? `invert` works on some" in none.stderr
    alone = gpk("run", "invert", str(cat.run), "--album", str(photos), "--together")
    assert alone.returncode == 2
    assert "together is about pivotal tuning: give pti too" in alone.stderr
