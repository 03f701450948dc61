"""`gpk bench prior`: its errors, and the whole of it on few cats."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from gpk_minicat.look_pictures import FRAMES
from gpk_minicat.pictures import render_shard

Gpk = Callable[..., subprocess.CompletedProcess[str]]


def test_only_the_embedded_backends_can_be_asked_for(gpk: Gpk) -> None:
    done = gpk("bench", "prior", "--backend", "eg3d-minicta")
    assert done.returncode == 2
    assert "unknown embedded backend 'eg3d-minicta': did you mean 'eg3d-minicat'?" in done.stderr


@pytest.mark.slow
def test_the_whole_command(gpk: Gpk, tmp_path: Path) -> None:
    for index in (0, 31):
        render_shard(tmp_path / "cats", 0, index, count=16)
    done = gpk("bench", "prior", "--quick", "--out", str(tmp_path / "out"), "--cats", str(tmp_path / "cats"))
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures == json.loads((tmp_path / "out" / "prior.json").read_text())
    assert figures["frechet"]["pictures"] == 16
    assert figures["inversion"]["psnr_inside_db"] > 18
    names = {"prior.json", "grid.png", "depth.png", "unseen.png", "turntable.png", "turntable.webp"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    with Image.open(tmp_path / "out" / "turntable.webp") as image:
        assert getattr(image, "n_frames", 1) == FRAMES
        assert b"trainedAlgorithmicMedia" in image.info["xmp"]
