"""`gpk render`: from a run of `gpk personalize` to videos."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import av
import pytest
from PIL import Image

Gpk = Callable[..., CompletedProcess[str]]


def test_a_cat_turns_beside_the_pretrained_generator(gpk: Gpk, tmp_path: Path, cat: Any) -> None:
    command = ("render", str(cat.run), "--frames", "9", "--compare", "pretrained", "--depth", "--formats", "mp4,gif")
    turned = gpk(*command, "--out", str(tmp_path / "out"), "--json")
    assert turned.returncode == 0, turned.stderr
    outcome = json.loads(turned.stdout)
    assert list(outcome["figures"]) == ["anchor 0, pretrained", "anchor 0, personalized"]
    for figures in outcome["figures"].values():
        assert figures["seam"] <= figures["largest change"] < 2 * figures["change"] < 0.1
    assert outcome["samples along a ray"] == 2 * 20
    video, moving, codes = map(Path, outcome["files"])
    assert codes.name == "codes.safetensors"
    with av.open(str(video)) as container:
        (stream,) = container.streams.video
        assert (stream.frames, stream.width, stream.height) == (9, 4 * 256 + 5 * 10, 256 + 45 + 1)
    with Image.open(moving) as image:
        assert (getattr(image, "n_frames", 1), image.size) == (9, (4 * 256 + 5 * 10, 256 + 45))
    assert [Path(path).name for path in outcome["pictures"]] == ["grid.png", "pictures"]
    again = gpk("run", *command, "--out", str(tmp_path / "out"))
    assert "is finished already" in again.stderr
    assert "turntable.mp4" in again.stdout


def test_in_2d_codes_join_on_a_path(gpk: Gpk, tmp_path: Path) -> None:
    flat = ("--backend", "stylegan2-minicat")
    drawn = gpk("run", "synthesize", *flat, "--source", "prior", "--count", "2", "--out", str(tmp_path / "drawn"))
    assert drawn.returncode == 0, drawn.stderr
    path = ("render", *flat, "--codes", str(tmp_path / "drawn" / "codes.safetensors"), "--formats", "webp")
    walked = gpk(*path, "--motion", "interpolation", "--frames", "3", "--out", str(tmp_path / "walked"))
    assert walked.returncode == 0, walked.stderr
    assert "interpolation.webp" in walked.stdout
    turned = gpk(*path, "--out", str(tmp_path / "turned"))
    assert turned.returncode == 2
    assert "stylegan2-minicat is a 2D generator and has no views: give --motion interpolation" in turned.stderr
    assert not (tmp_path / "turned").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--formats", "avi"), "formats[0] is 'avi', where one of mp4, webp, gif is needed"),
        (("--motion", "interpolation", "--anchors", "2"), "goes from one code to another, and there is 1"),
        (("--frames", "1"), "frames must be at least 2"),
    ],
)
def test_what_cannot_be_rendered_is_told_and_leaves_nothing(
    gpk: Gpk, tmp_path: Path, cat: Any, options: tuple[str, ...], message: str
) -> None:
    refused = gpk("render", str(cat.run), *options, "--out", str(tmp_path / "out"))
    assert refused.returncode == 2
    assert message in refused.stderr
    assert not (tmp_path / "out").exists()
