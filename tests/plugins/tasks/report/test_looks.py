"""The small pictures and the turntable of a report, and what the folder then tells of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from PIL import Image

from gpk.album import Album
from gpk.context import Context
from gpk.errors import RunError
from gpk_photos.decode import read_image
from gpk_runs.run import Run
from gpk_tasks.report.events import Looks
from gpk_tasks.report.pictures import shown_of
from gpk_tasks.report.record import TURNTABLE, look_file, read_record
from gpk_tasks.report.report import report

CONFIG = {"task": "personalize", "backend": "small"}


@pytest.fixture
def reported(subject: Context, tmp_path: Path) -> Path:
    """The folder of a run that has shown its five photos, which are the subject's own pictures."""
    assert subject.persona is not None
    with torch.no_grad(), subject.personalized() as generator:
        photos = generator(subject.anchors()).image.clamp(-1, 1)
    names = tuple(f"{k}.png" for k in range(5))
    album = Album(photos, names, subject.generator.frontal(5))
    with Run.open(tmp_path / "run", CONFIG) as run:
        context = dataclasses.replace(subject, album=album, logger=run)
        anchors = subject.persona.anchors
        report(context, subject.persona, run.directory, inverted=anchors, held_out=None, masks={})
    return tmp_path / "run"


def test_every_photo_is_there_with_what_is_made_of_it(subject: Context, reported: Path) -> None:
    record = read_record(reported)
    looks = record.last(Looks)
    assert looks is not None
    told = looks.albums["train"]
    other = "novel view" if subject.backend.cameras else "halfway to the next"
    assert told.columns == ("photo", "pretrained", "personalized", other)
    assert told.photos == tuple(f"{k}.png" for k in range(5))
    for index in range(5):
        photo, pretrained, personalized = (
            read_image(reported / look_file("train", index, column)) for column in told.columns[:3]
        )
        assert (photo - personalized).abs().max() <= 1.01 / 127.5  # exact, for it is small
        assert not torch.equal(photo, pretrained)
    for column in told.columns:
        with Image.open(reported / look_file("train", 0, column)) as image:
            assert image.format == "WEBP"
            assert ("xmp" in image.info) == (column != "photo")  # a photo is not synthetic
            assert column == "photo" or b"trainedAlgorithmicMedia" in image.info["xmp"]


def test_a_turntable_is_of_3d_generators_alone(subject: Context, reported: Path) -> None:
    file = reported / TURNTABLE
    assert file.exists() == subject.backend.cameras
    if file.exists():
        with Image.open(file) as image:
            assert image.size == (512, 256)
            assert getattr(image, "n_frames", 1) > 2
            assert b"trainedAlgorithmicMedia" in image.info["xmp"]
            halves = [image.convert("RGB").crop((x, 0, x + 256, 256)).resize((8, 8)).tobytes() for x in (0, 256)]
        assert halves[0] != halves[1]


def test_a_page_has_them_all_and_says_what_is_gone(subject: Context, reported: Path) -> None:
    shown = shown_of(read_record(reported), budget=10**7)
    (album,) = shown.albums
    assert [row.name for row in album.rows] == [f"{k}.png" for k in range(5)]
    assert len(shown.columns) == 4
    assert shown.count == 20 + subject.backend.cameras
    assert (shown.sheets, shown.missing) == ({}, ())
    for column in shown.columns:
        (reported / look_file("train", 1, column)).unlink()
    (reported / look_file("train", 2, "photo")).write_bytes(b"RIFF")
    shown = shown_of(read_record(reported), budget=10**7)
    assert [row.name for row in shown.albums[0].rows] == ["0.png", "2.png", "3.png", "4.png"]
    assert list(shown.albums[0].rows[1].pictures) == shown.columns[1:]
    assert shown.missing == ("5 of the 20 small pictures in the run's folder are gone or damaged.",)


def test_a_log_cannot_name_files_elsewhere(tmp_path: Path) -> None:
    for album, column in (("../..", "/etc/passwd"), ("train/../..", "a\\b"), ("C:", "\x00")):
        file = look_file(album, 0, column)
        assert not file.is_absolute()
        assert ".." not in file.parts
        assert file.parts[:2] == ("pictures", "looks")


def test_a_folder_that_tells_of_no_personalization(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"there is no .*none: give the folder of a run"):
        read_record(tmp_path / "none")
    with pytest.raises(RunError, match="is no run's folder: give one that `gpk personalize` made"):
        read_record(tmp_path)
    with Run.open(tmp_path / "run", {"task": "views"}):
        pass
    with pytest.raises(RunError, match="is a run of 'views': reports are of runs of `gpk personalize`"):
        read_record(tmp_path / "run")
