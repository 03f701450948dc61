"""`python -m gpk_prior examine`: its errors, and the whole of it on few cats."""

import json
from pathlib import Path

import pytest
from PIL import Image

from gpk_prior.__main__ import main
from gpk_prior.look_pictures import FRAMES
from gpk_prior.pictures import render_shard

Captured = pytest.CaptureFixture[str]


def test_only_the_embedded_backends_can_be_asked_for(capsys: Captured) -> None:
    assert main(["examine", "--backend", "eg3d-minicta"]) == 2
    assert "unknown embedded backend 'eg3d-minicta': did you mean 'eg3d-minicat'?" in capsys.readouterr().err


@pytest.mark.slow
def test_the_whole_command(tmp_path: Path, capsys: Captured) -> None:
    for index in (0, 31):
        render_shard(tmp_path / "cats", 0, index, count=16)
    code = main(["examine", "--quick", "--out", str(tmp_path / "out"), "--cats", str(tmp_path / "cats")])
    done = capsys.readouterr()
    assert code == 0, done.err
    figures = json.loads(done.out)
    assert figures == json.loads((tmp_path / "out" / "prior.json").read_text())
    assert figures["frechet"]["pictures"] == 16
    assert figures["inversion"]["psnr_inside_db"] > 18
    names = {"prior.json", "grid.png", "depth.png", "unseen.png", "turntable.png", "turntable.webp"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    with Image.open(tmp_path / "out" / "turntable.webp") as image:
        assert getattr(image, "n_frames", 1) == FRAMES
        assert b"trainedAlgorithmicMedia" in image.info["xmp"]
