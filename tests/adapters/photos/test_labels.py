"""Label files: what is written is read back, and what is wrong is named with its file and entry."""

import json
import unicodedata
from pathlib import Path
from typing import Literal

import pytest
import torch
from PIL import Image

from gpk.camera import EG3D_FOCAL, Camera
from gpk.errors import LabelError, RunError
from gpk_photos import read_labels, write_labels
from gpk_photos.album import known_labels, open_album
from gpk_photos.labels import EXAMPLE, MOST_VALUES, near_miss, photo_of

FRONT = Camera.orbit(0.0, 0.0).label()[0].tolist()


def label_file(folder: Path, content: object) -> Path:
    file = folder / "dataset.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def changed(**numbers: float) -> list[float]:
    """The frontal label with some numbers changed, `n3` being the fourth."""
    label = list(FRONT)
    for place, number in numbers.items():
        label[int(place[1:])] = number
    return label


def test_labels_are_read_back_as_written(tmp_path: Path) -> None:
    labels = Camera.orbit(torch.tensor([-0.3, 0.0, 0.3]), 0.1).label()
    assert write_labels(tmp_path / "new", ["a.png", "b/c.png", "b\\d.png"], labels) == tmp_path / "new" / "dataset.json"
    read = read_labels(tmp_path / "new")
    assert list(read) == ["a.png", "b/c.png", "b/d.png"]
    assert torch.equal(torch.stack(list(read.values())), labels)
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["dataset.json"]


def test_the_example_is_a_label_file(tmp_path: Path) -> None:
    (label,) = read_labels(label_file(tmp_path, EXAMPLE)).values()
    torch.testing.assert_close(label, Camera.orbit(0.0, 0.0).label()[0], atol=1e-4, rtol=0)
    assert label[16].item() == pytest.approx(EG3D_FOCAL, abs=1e-4)


def test_a_mapping_and_a_byte_order_mark_are_understood(tmp_path: Path) -> None:
    assert list(read_labels(label_file(tmp_path, {"labels": {"./a.png": FRONT}}))) == ["a.png"]
    assert list(read_labels(label_file(tmp_path, "\ufeff" + json.dumps({"labels": [["a.png", FRONT]]})))) == ["a.png"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (FRONT[:24], r"a camera label has 25 numbers \(16 of the pose, 9 of the intrinsics\), not 24"),
        ([], "not 0"),
        (3, "a camera label is a list of 25 numbers, not 3"),
        (None, "a list of 25 numbers, not null"),
        ([*FRONT[:24], "1"], "something that is not a number"),
        ([*FRONT[:24], True], "something that is not a number"),
        ([*FRONT[:24], FRONT], "something that is not a number"),
        (changed(n3=float("nan")), "a number that is not finite"),
        (changed(n3=float("inf")), "a number that is not finite"),
        (changed(n3=10**400), "a number that is not finite"),
        (changed(n0=2.0), "is not a rotation"),
        (changed(n0=-1.0), "is not a rotation"),
        (changed(n16=0.0), "a focal length that is not positive"),
        (changed(n16=2182.7, n18=256.0), "the intrinsics look like pixels: divide them by the image side"),
        (changed(n5=1.0, n10=1.0), "looks away from the world's origin: negate"),
    ],
)
def test_a_wrong_label_is_named(tmp_path: Path, entry: object, message: str) -> None:
    file = label_file(tmp_path, {"labels": [["good.png", FRONT], ["bad.png", entry]]})
    with pytest.raises(LabelError, match=rf"dataset\.json, entry bad\.png: .*{message}"):
        read_labels(file)


@pytest.mark.parametrize("content", ["", "{", '{"labels": [', "\x00", "1" * 5_000])
def test_malformed_json_is_named(tmp_path: Path, content: str) -> None:
    with pytest.raises(LabelError, match=r"dataset\.json is not whole JSON .* looks like this: \{"):
        read_labels(label_file(tmp_path, content))


@pytest.mark.parametrize("content", [[], {}, {"labels": 3}, 7])
def test_a_file_without_labels_is_named(tmp_path: Path, content: object) -> None:
    with pytest.raises(LabelError, match=r'dataset\.json has no list "labels"'):
        read_labels(label_file(tmp_path, content))


def test_labels_that_are_null_are_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r'that its images have no labels \("labels": null\), which will do for a 2D'):
        read_labels(label_file(tmp_path, {"labels": None}))


def test_what_would_cost_too_much_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="nested deeper than any such file"):
        read_labels(label_file(tmp_path, "[" * 100_000))
    with pytest.raises(LabelError, match="more values than any such file"):
        read_labels(label_file(tmp_path, "[" + "[]," * (MOST_VALUES // 2 + 1) + "[]]"))


def test_a_long_or_odd_name_is_quoted_in_part(tmp_path: Path) -> None:
    with pytest.raises(LabelError) as caught:
        read_labels(label_file(tmp_path, {"labels": [["a\n" * 10_000, 3]]}))
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)


def test_composed_and_decomposed_names_mean_one_photo() -> None:
    composed, decomposed = "\u00e9t\u00e9.png", "e\u0301te\u0301.png"
    assert photo_of([composed], [decomposed, "b.png"]) == {composed: decomposed}
    assert photo_of([decomposed, "c.png"], [composed]) == {decomposed: composed}
    assert photo_of([composed, decomposed], [composed, decomposed]) == {composed: composed, decomposed: decomposed}


@pytest.mark.parametrize(
    ("photo", "hint"),
    [
        ("img/a.jpg", "img/a.png would be img/a.jpg but for its ending: write photos' names into the label file"),
        ("a.png", "img/a.png would be a.png but for its folder"),
        ("x/a.jpg", "img/a.png would be x/a.jpg but for its folder and ending"),
        ("b.png", None),
    ],
)
def test_a_name_that_nearly_fits_is_a_hint(photo: str, hint: str | None) -> None:
    told = near_miss(["img/a.png"], [photo, "z.png"])
    assert told is None if hint is None else told is not None and told.startswith(hint)


@pytest.mark.parametrize("pair", ["a.png", ["a.png"], [1, FRONT], {"a.png": FRONT}])
def test_an_entry_that_is_no_pair_is_numbered(tmp_path: Path, pair: object) -> None:
    with pytest.raises(LabelError, match="entry 1: not a pair of an image name and 25 numbers"):
        read_labels(label_file(tmp_path, {"labels": [["good.png", FRONT], pair]}))


def test_two_different_labels_of_one_image_are_refused(tmp_path: Path) -> None:
    twice = [["a.png", FRONT], ["./a.png", changed(n11=3.0)]]
    with pytest.raises(LabelError, match=r"entry 1: a\.png is labelled twice, and differently"):
        read_labels(label_file(tmp_path, {"labels": twice}))
    assert len(read_labels(label_file(tmp_path, {"labels": [twice[0], twice[0]]}))) == 1


def test_an_absent_label_file_says_what_it_looks_like(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"dataset\.json: cannot be read: No such file.*16 of the camera-to-world"):
        read_labels(tmp_path)


def test_writing_checks_what_it_writes(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="2 image names for 1 camera labels"):
        write_labels(tmp_path, ["a.png", "b.png"], torch.tensor([FRONT]))
    with pytest.raises(LabelError, match="not 24"):
        write_labels(tmp_path, ["a.png"], torch.tensor([FRONT[:24]]))
    assert not list(tmp_path.iterdir())


def test_an_unwritable_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"cannot write .*dataset\.json: "):
        write_labels(tmp_path / "file", ["a.png"], torch.tensor([FRONT]))


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_an_album_meets_its_labels_in_either_form_of_letters(tmp_path: Path, form: Literal["NFC", "NFD"]) -> None:
    other = "NFD" if form == "NFC" else "NFC"
    photo = unicodedata.normalize(form, "\u00e9t\u00e9.png")
    Image.effect_noise((64, 64), 50).convert("RGB").save(tmp_path / photo)
    label_file(tmp_path, {"labels": [[unicodedata.normalize(other, photo), FRONT]]})
    album = open_album(tmp_path, side=64, cameras=True)
    assert (album.names, album.left_out) == ((photo,), ())
    assert list(known_labels(tmp_path, tmp_path / "dataset.json")) == [photo]


def test_an_album_whose_labels_nearly_fit_says_how(tmp_path: Path) -> None:
    Image.effect_noise((64, 64), 50).convert("RGB").save(tmp_path / "a.png")
    label_file(tmp_path, {"labels": [["img/a.png", FRONT]]})
    with pytest.raises(LabelError, match=r"labels 1 absent image: img/a\.png\. img/a\.png would be a\.png but for its"):
        open_album(tmp_path, side=64, cameras=True)
    label_file(tmp_path, {"labels": None})
    assert known_labels(tmp_path, None) == {}
