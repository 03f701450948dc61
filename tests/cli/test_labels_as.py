"""`--labels-as` on commands that read photos of a subject that is there already."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest

Gpk = Callable[..., CompletedProcess[str]]


@pytest.fixture
def photos(cat: Any, tmp_path: Path) -> Path:
    """The held-out photos, with OpenGL's axes in their labels."""
    folder = tmp_path / "photos"
    shutil.copytree(cat.held_out, folder)
    labels = json.loads((folder / "dataset.json").read_text())["labels"]
    for _, label in labels:
        pose = np.array(label[:16]).reshape(4, 4)
        pose[:, 1:3] *= -1
        label[:16] = pose.flatten().tolist()
    (folder / "dataset.json").write_text(json.dumps({"labels": labels}))
    return folder


@pytest.mark.parametrize(
    "command",
    [
        ("run", "invert", "{run}", "--album", "{photos}", "--protocol", "quick", "--steps", "1"),
        (
            "evaluate", "{run}", "--album", "{photos}", "--quick", "--tasks", "inversion", "--against", "pretrained",
            "--placement-steps", "1", "--no-pti", "--held-out", "1",
        ),
    ],
)  # fmt: skip
def test_turned_as_the_option_says_and_the_same_again(
    gpk: Gpk, cat: Any, photos: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    job = [part.format(run=cat.run, photos=photos) for part in command] + ["--out", str(tmp_path / "out")]
    refused = gpk(*job)
    assert refused.returncode == 2
    assert "for its axes are OpenGL's (y up, z backward), or give --labels-as opengl" in refused.stderr
    assert not (tmp_path / "out").exists()
    for _ in range(2):
        done = gpk(*job, "--labels-as", "opengl")
        assert done.returncode == 0, done.stderr
    other = gpk(*job, "--labels-as", "as-they-are")
    assert other.returncode == 2
