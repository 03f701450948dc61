"""The stage of `gpk prepare` that finds cameras: photos are cut anew by better squares, whatever the album was."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from gpk.album import Album
from gpk.context import Context
from gpk.framing import Square
from gpk.logger import NullLogger
from gpk.plugin import Backend, Card
from gpk.seeding import seeded
from gpk_eg3d.network import EG3D
from gpk_photos import read_image
from gpk_photos.contents import album_files
from gpk_photos.crop import cropped
from gpk_photos.decode import decode
from gpk_photos.reading import Face, sha256_of, take
from gpk_photos.validity import mask_name
from gpk_prepare.posing import posed
from gpk_prepare.recut import FOUND
from gpk_prepare.settings import Preparation
from gpk_prepare.sorting import Pose, Sorted, choices
from gpk_prepare.state import PreparationState
from gpk_tasks.pose.pose import Posing

DETECTED = Preparation("small", "small", 32, cameras=True, cropped="detect")
QUICK = Posing(columns=3, rows=1, codes=1, steps=3, side=32)
SQUARES = {"a.png": Square(60, 50, 64, 5), "b.png": Square(50, 48, 50, -4), "c.png": Square(24, 50, 60)}
"""The last reaches over the edge."""


def absolute(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().mean((1, 2, 3))


@dataclass
class Work:
    """An album whose photos are read, and its stage of cameras."""

    raw: Path
    out: Path
    context: Context

    def __post_init__(self) -> None:
        with album_files(self.raw) as files:
            self.files = files
        self.state = PreparationState(self.out)

    def faces(self, *, without: str = "") -> dict[str, Face]:
        """Reads what is not read, as the stage before does."""
        faces = {}
        for name in [name for name in self.files if name != without]:
            known = self.state.readings.get(name)
            if known is None or not (self.out / known.faces[0].crop).exists():
                content, sha256, _ = sha256_of(self.files[name])
                known = take(name, content, sha256, find=lambda _, name: [SQUARES[name]], side=32, album=self.out)
                self.state.readings[name] = known
            faces[name] = known.faces[0]
        return faces

    def done(
        self, settings: Preparation = DETECTED, *, without: str = "", tick: Callable[[], None] = lambda: None
    ) -> dict[str, Pose]:
        """The stage's poses."""
        faces = self.faces(without=without)
        return posed(
            faces, self.files, settings, self.state, self.context,
            out=self.out, logger=NullLogger(), tick=tick, looking=QUICK,
        )  # fmt: skip

    def pictures(self) -> dict[str, bytes]:
        """The crops and masks of the album."""
        files = [*(self.out / "photos").rglob("*.png"), *(self.out / "masks").rglob("*.png")]
        return {str(file.relative_to(self.out)): file.read_bytes() for file in files}


@pytest.fixture
def work(tmp_path: Path, eg3d: EG3D) -> Work:
    raw = tmp_path / "raw"
    raw.mkdir()
    for index, name in enumerate(SQUARES):
        noise = torch.rand(1, 3, 6, 7, generator=seeded(index))
        soft = torch.nn.functional.interpolate(noise, (96, 120), mode="bicubic")[0].clamp(0, 1)
        Image.fromarray((soft.movedim(0, 2) * 255).byte().numpy()).save(raw / name)
    card = Card("small", "Small", "none")
    nothing = Album(torch.empty(0, 3, 32, 32), ())
    context = Context(
        Backend("small", "Small", (card,), lambda config: eg3d), card, eg3d, absolute, nothing, NullLogger()
    )
    return Work(raw, tmp_path / "album", context)


def test_crops_masks_labels_and_selection_agree_with_the_better_squares(work: Work) -> None:
    faces = work.faces()
    before = work.pictures()
    poses = work.done()
    for name, pose in poses.items():
        crop, square = faces[name].crop, pose.square
        assert square is not None
        assert square != SQUARES[name]
        cut = cropped(decode(work.files[name]()), square, 32)
        assert (read_image(work.out / crop) - cut.picture).abs().max() < 0.01  # 8 bits
        assert (work.out / mask_name(crop)).exists() == bool((cut.mask < 1).any())
        assert (work.out / FOUND / crop).read_bytes() == before[crop]
    assert (work.out / mask_name(faces["c.png"].crop)).exists()
    line = choices(work.state.readings, Sorted(faces, dict.fromkeys(faces, ())), poses, {})[0]
    told = poses["a.png"].square
    assert told is not None
    assert line.measured["roll"] == f"{told.roll:.1f}" != "5.0"
    assert line.measured["side"] == f"{told.side:.0f}"


def test_a_second_time_nothing_is_done_and_a_crop_that_was_deleted_is_cut_anew(work: Work) -> None:
    poses = work.done()
    after = work.pictures()
    work.state.save()
    times = {file: file.stat().st_mtime_ns for file in work.out.rglob("photos/*.png")}
    again = Work(work.raw, work.out, work.context)
    assert again.done() == poses  # from the file
    assert {file: file.stat().st_mtime_ns for file in work.out.rglob("photos/*.png")} == times
    (work.out / again.faces()["a.png"].crop).unlink()
    assert again.done() == poses
    assert again.pictures() == after


def test_a_photo_less_is_the_album_that_never_had_it(work: Work, tmp_path: Path) -> None:
    work.done()
    poses = work.done(without="b.png")
    fresh = Work(work.raw, tmp_path / "fresh", work.context)
    fresh.faces()  # it is read, and not wanted
    assert fresh.done(without="b.png") == poses
    assert fresh.pictures() == work.pictures()


@pytest.mark.parametrize("stop", [3, 9, 10])
def test_stopped_anywhere_it_goes_on_to_the_same_album(work: Work, tmp_path: Path, stop: int) -> None:
    """In the searches and descents, and between the photos that are cut anew."""
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1
        if ticks == stop:
            work.state.save()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work.done(tick=tick)
    whole = Work(work.raw, tmp_path / "whole", work.context)
    poses = whole.done()
    again = Work(work.raw, work.out, work.context)
    assert again.done() == poses
    assert again.pictures() == whole.pictures()


@pytest.mark.parametrize("cropped_by", ["centre", "none", "boxes 0123"])
def test_what_the_user_cut_stays_as_it_is(work: Work, cropped_by: str) -> None:
    faces = work.faces()
    before = work.pictures()
    poses = work.done(replace(DETECTED, cropped=cropped_by))
    assert [pose.square for pose in poses.values()] == [None] * len(faces)
    assert work.pictures() == before
    assert not (work.out / FOUND).exists()


def test_a_crop_stopped_between_its_mask_and_itself_is_cut_anew(work: Work) -> None:
    poses = work.done()
    after = work.pictures()
    crop = work.faces()["c.png"].crop
    shutil.copy(work.out / FOUND / crop, work.out / crop)  # as if the stop had come before the picture
    assert work.done() == poses
    assert work.pictures() == after
