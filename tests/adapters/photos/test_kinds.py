"""Which of an album's files are photos: what gpk made, masks and held-out photos are not; a line counts the rest."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gpk.camera import Camera
from gpk.errors import AlbumError
from gpk_minicat.album import write_album
from gpk_photos import open_album, write_labels
from gpk_photos.album import OTHERS, is_raw, photo_names
from gpk_photos.contents import Reader
from gpk_photos.kinds import look_through
from gpk_runs.animation import write_animation, write_gif
from gpk_runs.pictures import made_by_gpk, write_picture, write_small


def picture(seed: int, form: str = "PNG", side: int = 32) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form)
    return stream.getvalue()


def files(*names: str) -> dict[str, Reader]:
    """Files that are not to be opened."""

    def refused(first: int | None = None) -> bytes:
        raise AssertionError("opened")

    return dict.fromkeys(names, refused)


def album_at(path: Path, contents: dict[str, bytes]) -> Path:
    for name, content in contents.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def others(path: Path, *, cameras: bool = False) -> str:
    return dict(open_album(path, side=32, cameras=cameras).left_out).get(OTHERS, "")


def test_the_content_decides_where_the_name_tells_nothing(tmp_path: Path) -> None:
    forms = {"a.jfif": "JPEG", "b.jpe": "JPEG", "c.jpg_large": "JPEG", "noext": "PNG", "e.x": "WEBP", "f.y": "BMP"}
    pictures = {name: picture(seed, form) for seed, (name, form) in enumerate(forms.items())}
    rest = {"clip.MOV": b"x", "clip2.mov": b"x", "raw.dng": b"II*\0", "a.txt": b"x", "what": b"x", "empty": b""}
    album = open_album(album_at(tmp_path, pictures | rest), side=32, cameras=False)
    assert album.names == tuple(sorted(forms))
    assert sorted(dict(album.left_out)[OTHERS].split(", ")) == [
        "1 raw to convert to PNG or JPEG (.dng)",
        "1 text (.txt)",
        "2 files of an unknown kind",
        "2 films (.mov)",
    ]


def test_ordinary_names_are_not_opened() -> None:
    names = ["a.png", "b.JPG", "c.heic", "d.mov", "e.dng", "f.txt", "dataset.json", "a.npy", "box.csv", "sub/x.webp"]
    assert list(look_through(files(*names)).photos) == ["a.png", "b.JPG", "c.heic", "sub/x.webp"]


def test_runs_and_prepared_albums_inside_are_passed_over() -> None:
    run = ["runs/x/config.yaml", "runs/x/log.jsonl", "runs/x/pictures/train.png"]
    made = ["made/selection.csv", "made/contact-sheet.png", "made/photos/a-1.png", "made/dataset.json"]
    found = look_through(files("a.png", *run, *made))
    assert list(found.photos) == ["a.png"]
    assert not any(name.startswith(("runs", "made")) for name in found.files)
    assert found.others() == "1 prepared album (made), 1 run's folder (runs/x)"
    assert list(look_through(files(*made[:3])).photos) == ["made/photos/a-1.png"]  # alone it is the album
    assert not look_through(files("config.yaml", "log.jsonl", "pictures/a.png")).photos


def test_a_zipped_prepared_album_is_obeyed_below_its_folder(tmp_path: Path) -> None:
    table = b"file,crop,use,decided by,gpk says,why\na,photos/a.png,yes,gpk,yes,\nb,photos/b.png,no,gpk,no,blurred\n"
    mask = io.BytesIO()
    Image.fromarray(np.pad(np.full((32, 20), 255, np.uint8), ((0, 0), (0, 12)))).save(mask, "PNG")
    contents = {"photos/a.png": picture(1), "photos/b.png": picture(2), "selection.csv": table}
    contents |= {"masks/photos/a.png": mask.getvalue(), "contact-sheet.png": picture(3)}
    album_at(tmp_path / "whole" / "cat", contents)
    album = open_album(tmp_path / "whole", side=32, cameras=False)
    assert album.names == ("cat/photos/a.png",)
    assert album.masks is not None
    assert album.masks.mean() == pytest.approx(20 / 32)


def test_masks_and_depths_of_other_programs_are_no_photos() -> None:
    layouts = {
        "nerf": ["images/a.png", "images/b.jpg", "masks/a.png", "masks/b.jpg.png", "depth/b.png"],
        "ngp": ["images/a.png", "images/b.png", "images/dynamic_mask_a.png", "images/dynamic_mask_b.png"],
    }
    told = []
    for names in layouts.values():
        found = look_through(files(*sorted(names)))
        assert list(found.photos) == [
            name for name in sorted(names) if name.startswith("images/") and "dyn" not in name
        ]
        assert not found.masks
        told.append(found.others())
    assert told == [
        "3 masks or depths of another program, not used (depth, masks)",
        "2 masks or depths of another program, not used (dynamic_mask_…)",
    ]
    own = look_through(files("a.png", "masks/a.png", "masks/carnival.png"))
    assert own.masks == {"a.png": "masks/a.png"}
    assert list(own.photos) == ["a.png", "masks/carnival.png"]  # of nobody's name: a photo of masks


def test_held_out_photos_are_not_learned_from_with_the_others() -> None:
    names = ["held-out/b.png", "held-out/dataset.json", "train/a.png", "train/dataset.json"]
    found = look_through(files(*names))
    assert list(found.photos) == ["train/a.png"]
    assert found.others() == "1 folder of held-out photos for `--held-out` (held-out)"
    assert list(look_through(files("beach/a.png", "test/b.png")).photos) == ["beach/a.png", "test/b.png"]


def test_what_gpk_made_is_told_from_an_album_of_minicat_and_from_others_pictures(tmp_path: Path) -> None:
    render = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    write_album(tmp_path, 3, photos=2, held_out=0, size=32)
    album = tmp_path / "train"
    before = open_album(album, side=32, cameras=True)
    assert others(album, cameras=True) == ""
    write_picture(album / "render.png", render)
    write_small(album / "small.webp", render, synthetic=True)
    write_small(album / "photo.webp", render.flip(1), synthetic=False)
    after = open_album(album, side=32, cameras=True)
    assert after.digest() == before.digest()
    assert dict(after.left_out) == {
        OTHERS: "2 pictures that gpk made",
        "photo.webp": "no camera label in dataset.json",
    }
    names = ["render.png", "small.webp", *before.names]
    write_labels(album, names, Camera.orbit(torch.zeros(len(names)), torch.zeros(len(names))).label())
    assert others(album, cameras=True) == "2 pictures that gpk made"
    foreign = b'DigitalSourceType="trainedAlgorithmicMedia" CreatorTool="Another 1.0"'
    assert not made_by_gpk(foreign)
    assert made_by_gpk(foreign.replace(b'"Another', b'"gpk'))
    assert not is_raw(album, cameras=True)


def test_an_animation_says_so_too(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green")]
    for name, write in {"a.webp": write_animation, "a.gif": write_gif}.items():
        write(tmp_path / name, frames)
        assert made_by_gpk((tmp_path / name).read_bytes())


def test_an_album_without_photos_tells_what_was_there(tmp_path: Path) -> None:
    with pytest.raises(AlbumError, match=r"no photos in .*HEIC files there\. Passed over: 1 film \(\.mov\)$"):
        photo_names(album_at(tmp_path, {"a.mov": b"x"}))
