"""`gpk prepare` on real files, with the embedded flat prior: what is left out, edits that win, going on, bad input."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import torch
from PIL import Image

from gpk.camera import Camera
from gpk_cli import main
from gpk_minicat.album import write_album
from gpk_photos import open_album, read_image, write_jpeg, write_png

Gpk = Callable[..., CompletedProcess[str]]
FLAT = ("--backend", "stylegan2-minicat", "--crop", "centre", "--device", "cpu")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven photos of a cat, wider than high, one of them twice, and what is none of it."""
    folder = tmp_path_factory.mktemp("prepare")
    write_album(folder / "cat", 7, photos=6, held_out=0)
    write_album(folder / "other", 8, photos=1, held_out=0)
    raw = folder / "raw"
    raw.mkdir()
    for i, file in enumerate(sorted((folder / "cat" / "train").glob("*.png"))):
        write_jpeg(raw / f"{i}.jpg", wide(file), orientation=(1, 6, 8, 3, 1, 1)[i])
    write_jpeg(raw / "0 again.jpg", wide(folder / "cat" / "train" / "img00000000.png") * 0.98, quality=70)
    write_jpeg(raw / "stranger.jpg", wide(folder / "other" / "train" / "img00000000.png"))
    write_png(raw / "black.png", torch.full((3, 64, 96), -1.0))
    (raw / "text.jpg").write_bytes(b"hello")
    (raw / "=cmd()\n.png").write_bytes(b"")
    return raw


def wide(file: Path) -> torch.Tensor:
    picture = torch.nn.functional.interpolate(read_image(file)[None], (128, 128), mode="bicubic")
    return torch.nn.functional.pad(picture, (32, 32, 0, 0), mode="replicate")[0].clamp(-1, 1)


@pytest.fixture(scope="module")
def album(raw: Path) -> Path:
    """The album of these photos, made without a stop."""
    out = raw.parent / "album"
    assert main(["prepare", str(raw), *FLAT, "--out", str(out)]) == 0
    return out


def lines(album: Path) -> dict[str, dict[str, str]]:
    with (album / "selection.csv").open(newline="", encoding="utf-8-sig") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def edited(album: Path, **use: str) -> None:
    """Writes `use` of some photos into the selection, as an editor would."""
    path = album / "selection.csv"
    rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"))))
    for row in rows:
        row["use"] = use.get(Path(row["file"]).stem.replace(" ", "_"), row["use"])
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)


def test_what_is_left_out_and_why(album: Path) -> None:
    why = {name: row["why"] for name, row in lines(album).items() if row["use"] == "no"}
    assert why["stranger.jpg"].startswith("stranger: likeness ")
    assert why["black.png"] == "black: nothing is seen"
    assert why["text.jpg"].startswith("unreadable: the content is no PNG")
    assert why[r"'=cmd()\n.png"] == "an empty file"
    assert [name for name in why if why[name].startswith("repeats ")] in (["0 again.jpg"], ["0.jpg"])
    assert len(why) == 5
    found = open_album(album, side=64, cameras=False)
    assert len(found) == 6
    assert len(found.left_out) == 5
    with Image.open(album / "contact-sheet.png") as sheet:
        assert sheet.height > 300


def test_an_edit_wins_at_once_and_after_a_rerun(gpk: Gpk, raw: Path, album: Path, tmp_path: Path) -> None:
    mine = shutil.copytree(album, tmp_path / "album")
    edited(mine, stranger="yes", **{"1": "no"})
    assert len(open_album(mine, side=64, cameras=False)) == 6  # without a rerun
    again = gpk("prepare", str(raw), *FLAT, "--out", str(mine), "--json")
    assert again.returncode == 0, again.stderr
    told = {row["photo"]: row for row in json.loads(again.stdout)}
    assert (told["stranger.jpg"]["use"], told["stranger.jpg"]["decided by"]) == (True, "you")
    assert (told["1.jpg"]["use"], told["1.jpg"]["decided by"]) == (False, "you")
    edited(mine, stranger="", **{"1": ""})  # given back
    gpk("prepare", str(raw), *FLAT, "--out", str(mine))
    assert lines(mine) == lines(album)


def test_a_stopped_one_goes_on_to_the_same_album(raw: Path, album: Path, tmp_path: Path, capsys: Any) -> None:
    part = tmp_path / "raw"
    part.mkdir()
    for name in ("0.jpg", "1.jpg"):
        shutil.copy(raw / name, part / name)
    out = tmp_path / "album"
    assert main(["prepare", str(part), *FLAT, "--out", str(out)]) == 0
    crops = {file.name: file.stat().st_mtime_ns for file in (out / "photos").iterdir()}
    shutil.copytree(raw, part, dirs_exist_ok=True)
    assert main(["prepare", str(part), *FLAT, "--out", str(out)]) == 0
    assert all((out / "photos" / name).stat().st_mtime_ns == when for name, when in crops.items())  # read once
    assert lines(out) == lines(album)
    assert (out / "contact-sheet.png").read_bytes() == (album / "contact-sheet.png").read_bytes()


class StopsAt(io.StringIO):
    """A stderr that presses Ctrl-C when a line begins so."""

    def __init__(self, start: str) -> None:
        super().__init__()
        self._start = start

    def write(self, text: str, /) -> int:
        if text.startswith(self._start):
            os.kill(os.getpid(), signal.SIGINT)
        return super().write(text)


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("stage", ["reading photos 2/", "strangers to compare with 4/"])
def test_ctrl_c_keeps_what_is_done(raw: Path, album: Path, tmp_path: Path, stage: str) -> None:
    out = tmp_path / "album"
    with redirect_stderr(StopsAt(stage)) as told:
        assert main(["prepare", str(raw), *FLAT, "--out", str(out)]) == 130
    assert f"the work so far is saved in {out}; the same command goes on from there" in told.getvalue()
    assert not (out / "selection.csv").exists()
    with redirect_stderr(io.StringIO()) as told:
        assert main(["prepare", str(raw), *FLAT, "--out", str(out)]) == 0
    assert ("strangers to compare with 0/" in told.getvalue()) == stage.startswith("reading")  # 4 of them were kept
    assert lines(out) == lines(album)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--crop", "round"), "--crop is detect, centre, none, or a CSV file of boxes, not 'round'"),
        (("--crop", "centre", "--detector", "face"), "--detector is of no use to --crop centre"),
        (("--pick", "third"), "--pick is main, largest, or a face's number"),
        (("--crop", "centre", "--judge", "minicat-distance"), "is no judge of identity"),
        (("--crop", "none.csv"), "cannot read none.csv"),
    ],
)
def test_impossible_options(gpk: Gpk, raw: Path, tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    done = gpk("prepare", str(raw), "--backend", "stylegan2-minicat", *options, "--out", str(tmp_path / "album"))
    assert done.returncode == 2
    assert says in done.stderr
    assert not (tmp_path / "album").exists()


def test_folders_that_cannot_be_used(gpk: Gpk, raw: Path, album: Path, tmp_path: Path) -> None:
    def told(source: Path, out: Path, *options: str) -> str:
        done = gpk("prepare", str(source), *FLAT, *options, "--out", str(out))
        assert done.returncode == 2
        return done.stderr

    assert "would lie among the raw photos" in told(raw, raw / "album")
    (tmp_path / "cv.doc").write_text("mine")
    assert "holds 'cv.doc' and no album that was prepared" in told(raw, tmp_path)
    assert "is a file: an album needs a folder" in told(raw, tmp_path / "cv.doc")
    assert "pick is" in told(raw, album, "--pick", "largest")
    assert "no photos in" in told(tmp_path, tmp_path.parent / f"{tmp_path.name}-out")


def test_personalize_prepares_raw_photos_first_or_refuses(gpk: Gpk, raw: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for name in ("0.jpg", "1.jpg", "2.jpg"):
        shutil.copy(raw / name, few / name)
    job = ("personalize", str(few), "--backend", "stylegan2-minicat", "--steps", "0", "--anchor-steps", "0")
    done = gpk(*job, "--device", "cpu", "--out", str(tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    assert "has photos that are not square: it is prepared in" in done.stderr
    assert (tmp_path / "run-album" / "selection.csv").exists()
    solid = ("personalize", str(few), "--backend", "eg3d-minicat", "--device", "cpu", "--no-prepare")
    refused = gpk(*solid, "--out", str(tmp_path / "solid"))
    assert refused.returncode == 2
    assert "`gpk prepare FOLDER --backend NAME` cuts raw photos and estimates their poses" in refused.stderr
    refused = gpk(*job, "--device", "cpu", "--no-prepare", "--out", str(tmp_path / "flat"))
    assert refused.returncode == 2
    assert "few has photos that are not square, and --no-prepare refuses them: crop them" in refused.stderr
    assert not (tmp_path / "flat").exists()


def test_without_weights_photos_are_cut_and_what_is_missing_is_said_first(gpk: Gpk, raw: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    shutil.copy(raw / "0.jpg", few / "0.jpg")
    done = gpk("prepare", str(few), "--backend", "eg3d-ffhq", "--crop", "centre", "--out", str(tmp_path / "album"))
    assert done.returncode == 2
    missing, reading = done.stderr.index("their cameras have to wait"), done.stderr.index("reading photos")
    assert missing < reading
    assert "1 photo is cut and judged in" in done.stderr
    assert len(list((tmp_path / "album" / "photos").glob("*.png"))) == 1
    assert "0.jpg" in lines(tmp_path / "album")


def test_labels_that_are_known_win_and_bad_ones_are_answered(gpk: Gpk, raw: Path, tmp_path: Path) -> None:
    cat = raw.parent / "cat" / "train"  # crops with their dataset.json
    job = ("prepare", str(cat), "--backend", "eg3d-minicat", "--device", "cpu")
    done = gpk(*job, "--out", str(tmp_path / "album"))
    assert done.returncode == 0, done.stderr
    assert "poses among" not in done.stderr  # nothing is looked for
    before, after = open_album(cat, side=64, cameras=True), open_album(tmp_path / "album", side=64, cameras=True)
    assert before.cameras is not None
    assert after.cameras is not None
    assert torch.equal(before.cameras.label(), after.cameras.label())
    assert (before.photos - after.photos).abs().max() < 0.02
    (tmp_path / "dataset.json").write_text(
        '{"labels": [["else.png", ' + str(before.cameras.label()[0].tolist()) + "]]}"
    )
    done = gpk(*job, "--labels", str(tmp_path / "dataset.json"), "--out", str(tmp_path / "other"))
    assert done.returncode == 2
    assert "labels none of the photos in" in done.stderr


@pytest.mark.slow
def test_a_3d_backend_gets_cameras_that_see_the_cat_as_its_photos_do(gpk: Gpk, tmp_path: Path) -> None:
    """A phone's folder, from detection to cameras: what is used has one, and most are within the target."""
    folder, album = tmp_path / "phone", tmp_path / "album"
    assert gpk("minicat", "album", str(folder), "--seed", "321", "--phone", "--photos", "12").returncode == 0
    done = gpk("prepare", str(folder / "raw"), "--backend", "eg3d-minicat", "--out", str(album), "--device", "cpu")
    assert done.returncode == 0, done.stderr
    opened = open_album(album, side=64, cameras=True)
    told = json.loads((folder / "truth.json").read_text())["raw"]
    names = [Path(name).stem.rpartition("-")[0] + ".jpg" for name in opened.names]
    true = Camera.from_label(torch.tensor([told[name]["label"] for name in names]))
    assert opened.cameras is not None
    assert len(opened) >= 4
    assert opened.cameras.degrees_from(true).median() <= 5


@pytest.mark.slow
@pytest.mark.usefixtures("ctrl_c")
def test_cameras_that_were_stopped_in_the_middle_of_a_step_are_the_same(gpk: Gpk, tmp_path: Path) -> None:
    """Ctrl-C when a step has changed codes and cameras, and nobody was handed them yet."""
    assert gpk("minicat", "album", str(tmp_path / "cat"), "--seed", "321", "--phone", "--photos", "12").returncode == 0
    job = ["prepare", str(tmp_path / "cat/raw"), "--backend", "eg3d-minicat", "--device", "cpu", "--out"]
    with redirect_stderr(io.StringIO()) as told:
        assert main([*job, str(tmp_path / "whole")]) == 0
    assert re.search(
        r"^Cameras of \d+ photos are looked for, which takes about .*\. Ctrl-C keeps", told.getvalue(), re.M
    )
    for stage in ("poses among the prior's subjects 4/", "cameras and codes 3/", "cameras of one subject 3/"):
        with redirect_stderr(StopsAt(stage)):
            assert main([*job, str(tmp_path / "parts")]) == 130
    assert main([*job, str(tmp_path / "parts")]) == 0
    whole, parts = ((tmp_path / name / "dataset.json").read_bytes() for name in ("whole", "parts"))
    assert whole == parts
    assert lines(tmp_path / "whole") == lines(tmp_path / "parts")
