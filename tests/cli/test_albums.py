"""Albums as they become by being used: runs and prepared albums in them, photos of another run held out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from gpk_cli import main
from gpk_cli.places import default_out
from gpk_minicat.album import write_album
from gpk_photos import read_image, write_jpeg

JOB = ["--backend", "stylegan2-minicat", "--device", "cpu", "--steps", "1", "--anchor-steps", "1"]


@pytest.fixture
def cat(tmp_path: Path) -> Path:
    """An album with held-out photos."""
    return write_album(tmp_path / "cat", 3, photos=3, held_out=2)


def photos_of(run: Path) -> dict[str, object]:
    """What the run noted of its album."""
    events = map(json.loads, (run / "log.jsonl").read_text().splitlines())
    return next(event for event in events if event["event"] == "album")


@pytest.mark.parametrize("out", [[], ["--out", "run"]])
def test_the_same_command_inside_the_album_says_that_it_is_done(
    cat: Path, out: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(cat / "train")
    names = ["img00000000.png", "img00000001.png", "img00000002.png"]
    for told in ("", "is finished already; give another --out"):
        assert main(["personalize", ".", *JOB, *out]) == 0
        assert told in capsys.readouterr().err
    run = Path("run") if out else Path("../runs/train-stylegan2-minicat")
    assert photos_of(run)["photos"] == names
    assert main(["personalize", ".", *JOB, "--out", "another"]) == 0  # which sees the first's pictures there
    assert photos_of(Path("another"))["photos"] == names
    assert photos_of(Path("another"))["left_out"] == ({"other files": "1 run's folder (run)"} if out else {})


def test_raw_photos_are_prepared_beside_them_by_the_same_command(
    cat: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = cat.parent / "raw"
    for file in (cat / "train").glob("*.png"):
        wide = torch.nn.functional.pad(read_image(file)[None], (16, 16, 0, 0), mode="replicate")[0]
        write_jpeg(raw / f"{file.stem}.jpg", torch.nn.functional.interpolate(wide[None], scale_factor=2)[0])
    (raw / "clip.mov").write_bytes(b"film")
    monkeypatch.chdir(raw)
    for told in ("Passed over in .: 1 film (.mov)", "is finished already"):
        assert main(["personalize", ".", *JOB]) == 0
        assert told in capsys.readouterr().err
    assert sorted(path.name for path in Path("../runs").iterdir()) == [
        "raw-stylegan2-minicat",
        "raw-stylegan2-minicat-album",
    ]
    assert {path.suffix for path in raw.iterdir()} == {".jpg", ".mov"}


def test_the_default_place_is_this_folder_unless_it_is_the_albums(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    album = tmp_path / "photos"
    (album / "beach").mkdir(parents=True)
    (tmp_path / "link").symlink_to(album)
    monkeypatch.chdir(tmp_path)
    assert default_out("runs", Path("photos"), "module:a:b") == Path("runs/photos-module-a-b")
    monkeypatch.chdir(album)
    assert default_out("runs", Path(), "x") == Path("../runs/photos-x")
    assert default_out("runs", Path("../link"), "x") == Path("../runs/photos-x")
    assert default_out("runs", Path("beach"), "x") == Path("runs/beach-x")
    Path("runs/photos-x").mkdir(parents=True)  # begun there before
    assert default_out("runs", Path(), "x") == Path("runs/photos-x")
    monkeypatch.chdir(album / "beach")
    assert default_out("albums", Path(".."), "x") == Path("../../albums/photos-x")


def test_held_out_photos_that_are_learned_from_are_left_out_and_said(
    cat: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held_out = tmp_path / "held"
    shutil.copytree(cat / "held-out", held_out)
    write_jpeg(held_out / "copy.jpg", read_image(cat / "train" / "img00000001.png") * 0.95, quality=75)
    out = ["--out", str(tmp_path / "run"), "--held-out", str(held_out)]
    assert main(["personalize", str(cat / "train"), *JOB, *out]) == 0
    told = "Left out 1 of 3 held-out photos, which are learned from: copy.jpg is img00000001.png"
    assert told in capsys.readouterr().err
    quick = ["--tasks", "inversion", "--against", "pretrained", "--quick", "--device", "cpu"]
    shutil.copy(cat / "train" / "img00000000.png", held_out / "another.png")
    assert main(["evaluate", str(tmp_path / "run"), *quick, "--out", str(tmp_path / "evaluation")]) == 0
    assert "Left out 2 of 4 held-out photos" in capsys.readouterr().err
