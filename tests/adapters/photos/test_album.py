"""Albums: what is kept, what is left out and why, in folders and in zips."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pluggy
import pytest
import torch
from PIL import Image

import gpk_photos
from gpk.camera import Camera
from gpk.errors import AlbumError, LabelError
from gpk.plugin import Hooks
from gpk_photos import contents, open_album
from gpk_photos.album import is_raw, photo_names

FRONT = Camera.orbit(0.0, 0.0).label()[0].tolist()
LEFT = Camera.orbit(0.3, 0.0).label()[0].tolist()


def photo(seed: int, width: int = 32, height: int = 32) -> bytes:
    """A PNG of noise."""
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def album_at(path: Path, files: dict[str, bytes]) -> Path:
    """The files as a zip where the path ends so, else as a folder."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    else:
        for name, content in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
    return path


def labels(**entries: object) -> bytes:
    """A label file; `a` stands for a.png."""
    return json.dumps({"labels": [[f"{name}.png", entry] for name, entry in entries.items()]}).encode()


@pytest.fixture(params=["album", "album.zip"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / request.param


def test_photos_come_sorted_at_one_side(where: Path) -> None:
    files = {"b.png": photo(1), "sub/deep/c.PNG": photo(2, 64, 64), "a.png": photo(3, 20, 20)}
    album = open_album(album_at(where, files), side=32, cameras=False)
    assert album.names == ("a.png", "b.png", "sub/deep/c.PNG")
    assert album.photos.shape == (3, 3, 32, 32)
    assert album.photos.dtype == torch.float32
    assert album.photos.abs().max() <= 1
    assert album.cameras is None
    assert album.left_out == ()
    assert torch.equal(album.photos[1], gpk_photos.read_image(photo(1)))


def test_hidden_files_and_other_files_are_passed_over(where: Path) -> None:
    noise = {
        ".hidden.png": photo(1),
        ".thumbs/b.png": photo(2),
        "__MACOSX/._a.png": b"resource fork",
        "notes.txt": b"text",
        "dataset.json": b"not read without cameras",
        "film.mp4": b"film",
        "png": photo(3),
    }
    album = open_album(album_at(where, {"a.png": photo(0)} | noise), side=32, cameras=False)
    assert album.names == ("a.png", "png")
    assert album.left_out == (("other files", "1 film (.mp4), 1 text (.txt)"),)


def test_every_bad_photo_is_left_out_by_name(where: Path) -> None:
    files = {
        "a.png": photo(0),
        "b/copy.png": photo(0),
        "cut.png": photo(1)[:200],
        "empty.png": b"",
        "phone.HEIC": b"....ftypheic",
        "raw.NEF": b"raw",
        "small.png": photo(2, 15, 40),
        "text.jpg": b"hello",
    }
    album = open_album(album_at(where, files), side=32, cameras=False)
    assert album.names == ("a.png",)
    reasons = dict(album.left_out)
    assert reasons["cut.png"].startswith("unreadable: damaged or cut off")
    del reasons["cut.png"]
    assert reasons == {
        "b/copy.png": "a duplicate: the same picture as a.png",
        "empty.png": "an empty file",
        "phone.HEIC": "unreadable: HEIC, but damaged or cut off",
        "other files": "1 raw to convert to PNG or JPEG (.nef)",
        "small.png": "too small: 15x40, and a side of 32 wants at least 16",
        "text.jpg": "unreadable: the content is no PNG, JPEG, WebP, BMP, TIFF, GIF or HEIC",
    }


def test_a_duplicate_is_told_by_pixels_not_by_bytes(tmp_path: Path) -> None:
    again = io.BytesIO()
    Image.open(io.BytesIO(photo(0))).save(again, "BMP")
    album = open_album(album_at(tmp_path, {"a.png": photo(0), "b.bmp": again.getvalue()}), side=32, cameras=False)
    assert album.left_out == (("b.bmp", "a duplicate: the same picture as a.png"),)


def test_without_cameras_the_central_square_is_kept(tmp_path: Path) -> None:
    wide = np.zeros((32, 64, 3), np.uint8)
    wide[:, 16:48] = 255
    tall = np.ascontiguousarray(wide.transpose(1, 0, 2))
    for name, pixels in {"wide.png": wide, "tall.png": tall}.items():
        Image.fromarray(pixels).save(tmp_path / name)
    album = open_album(tmp_path, side=32, cameras=False)
    assert torch.equal(album.photos, torch.ones(2, 3, 32, 32))


def test_shrinking_is_antialiased(tmp_path: Path) -> None:
    checkers = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)
    Image.fromarray(checkers).save(tmp_path / "a.png")
    assert open_album(tmp_path, side=32, cameras=False).photos.abs().max() < 0.02


def test_cameras_come_from_the_labels(where: Path) -> None:
    files = {"dataset.json": labels(b=LEFT, a=FRONT), "a.png": photo(0), "b.png": photo(1, 48, 48)}
    album = open_album(album_at(where, files), side=32, cameras=True)
    assert album.names == ("a.png", "b.png")
    assert album.cameras is not None
    assert torch.equal(album.cameras.label(), torch.tensor([FRONT, LEFT]))
    assert album.left_out == ()


def test_a_label_file_speaks_of_its_own_folder(where: Path) -> None:
    files = {"one/dataset.json": labels(a=FRONT), "one/a.png": photo(0), "two/dataset.json": labels(a=LEFT)}
    album = open_album(album_at(where, files | {"two/a.png": photo(1)}), side=32, cameras=True)
    assert album.names == ("one/a.png", "two/a.png")
    assert album.cameras is not None
    assert torch.equal(album.cameras.label(), torch.tensor([FRONT, LEFT]))


def test_what_labels_and_photos_do_not_share_is_left_out(where: Path) -> None:
    files = {
        # An absent image's label is not checked: a data set's whole label file may lie beside a few of its photos.
        "dataset.json": labels(a=FRONT, wide=FRONT, gone=FRONT, lost=[1, 2]),
        "a.png": photo(0),
        "alone.png": photo(1),
        "wide.png": photo(2, 40, 32),
    }
    album = open_album(album_at(where, files), side=32, cameras=True)
    assert album.names == ("a.png",)
    assert album.left_out == (
        ("alone.png", "no camera label in dataset.json"),
        ("dataset.json", "labels 2 absent images: gone.png, lost.png"),
        ("wide.png", "not square: 40x32, and a crop would no longer fit its camera label"),
    )


def test_many_absent_images_are_counted_not_listed(tmp_path: Path) -> None:
    entries = {f"n{index}": FRONT for index in range(1000)}
    album_at(tmp_path, {"dataset.json": labels(a=FRONT, **entries), "a.png": photo(0)})
    (left_out,) = open_album(tmp_path, side=32, cameras=True).left_out
    assert left_out == ("dataset.json", "labels 1000 absent images: n0.png, n1.png, n2.png, ...")


def test_an_album_without_labels_says_what_they_look_like(where: Path) -> None:
    explanation = r"has no dataset\.json.*16 of the camera-to-world matrix.*\{\"labels\": \[\[\"photo1\.png\", \[1, 0"
    with pytest.raises(AlbumError, match=explanation) as caught:
        open_album(album_at(where, {"a.png": photo(0)}), side=32, cameras=True)
    assert "`gpk prepare FOLDER --backend NAME` cuts raw photos" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (labels(a=FRONT[:24]), r"dataset\.json, entry a\.png: .*25 numbers .*not 24"),
        (labels(a=[float("nan"), *FRONT[1:]]), r"entry a\.png: .*not finite"),
        (labels(a=[2.0, *FRONT[1:]]), r"entry a\.png: .*not a rotation"),
        (b'{"labels"', r"dataset\.json is not whole JSON"),
    ],
)
def test_a_wrong_label_stops_the_album(where: Path, content: bytes, message: str) -> None:
    with pytest.raises(LabelError, match=message):
        open_album(album_at(where, {"a.png": photo(0), "dataset.json": content}), side=32, cameras=True)


def test_an_empty_label_file_is_named(where: Path) -> None:
    with pytest.raises(AlbumError, match=r"dataset\.json: an empty file"):
        open_album(album_at(where, {"a.png": photo(0), "dataset.json": b""}), side=32, cameras=True)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(AlbumError, match=r"no album at .*gone: there is no such folder or zip file"):
        open_album(tmp_path / "gone", side=32, cameras=False)


def test_a_file_that_is_no_zip_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(photo(0))
    with pytest.raises(
        AlbumError, match=r"a\.png is neither a folder nor a zip file, but a picture \(PNG\)\. Give the folder"
    ):
        open_album(tmp_path / "a.png", side=32, cameras=False)


def test_a_damaged_zip_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(AlbumError, match=r"a\.zip is not a whole zip file .*copy or download it again"):
        open_album(tmp_path / "a.zip", side=32, cameras=False)


def test_an_empty_folder_is_named(where: Path) -> None:
    if where.suffix != ".zip":
        where.mkdir()
    with pytest.raises(AlbumError, match=r"no photos in .*album.*: put PNG, JPEG"):
        open_album(album_at(where, {}), side=32, cameras=False)


def test_too_few_photos_give_their_reasons(where: Path) -> None:
    files = {"a.png": photo(0), "b.png": b"text", "c.png": photo(1, 8, 8)}
    album_at(where, files)
    assert len(open_album(where, side=32, cameras=False, minimum=1)) == 1
    reasons = r"1 usable photo, and 2 are needed\. Left out:\n  b\.png: unreadable.*\n  c\.png: too small"
    with pytest.raises(AlbumError, match=reasons):
        open_album(where, side=32, cameras=False, minimum=2)


def test_too_few_photos_give_ten_reasons_at_most(tmp_path: Path) -> None:
    with pytest.raises(AlbumError, match=r"\n  and 5 more$"):
        open_album(album_at(tmp_path, {f"{i:02}.png": b"text" for i in range(15)}), side=32, cameras=False)


def test_a_file_larger_than_a_photo_is_left_out(where: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "LARGEST_FILE", 2 * 2**20)
    files = {"a.png": photo(0), "bomb.png": bytes(3 * 2**20)}
    album = open_album(album_at(where, files), side=32, cameras=False)
    assert album.left_out == (("bomb.png", "larger than a photo: 3 MiB, over the limit of 2 MiB"),)


def test_a_zips_paths_outside_it_are_ignored(tmp_path: Path) -> None:
    outside = ["/etc/a.png", "../b.png", "c/../../d.png", "C:\\e.png", "\\\\host\\f.png"]
    files = {"sub\\good.png": photo(9)} | {name: photo(index) for index, name in enumerate(outside)}
    album = open_album(album_at(tmp_path / "album.zip", files), side=32, cameras=False)
    assert album.names == ("sub/good.png",)
    assert [file.name for file in tmp_path.iterdir()] == ["album.zip"]


def test_a_zips_damaged_or_locked_member_is_left_out(tmp_path: Path) -> None:
    album_at(tmp_path / "album.zip", {"a.png": photo(0), "b.png": photo(1), "c.png": photo(2)})
    content = bytearray((tmp_path / "album.zip").read_bytes())
    content[content.index(photo(1)) + 100] ^= 255
    directory_entry = content.rindex(b"PK\x01\x02")
    content[directory_entry + 8] |= 1  # c.png: encrypted
    content[content.index(photo(2)) - len("c.png") - 24] |= 1
    (tmp_path / "album.zip").write_bytes(content)
    album = open_album(tmp_path / "album.zip", side=32, cameras=False)
    assert album.names == ("a.png",)
    reasons = dict(album.left_out)
    assert reasons["b.png"].startswith("damaged inside the zip: Bad CRC-32")
    assert reasons["c.png"].startswith("cannot be unpacked: ")
    assert "password required" in reasons["c.png"]


def test_a_zip_is_known_by_its_content(tmp_path: Path) -> None:
    album_at(tmp_path / "album.zip", {"a.png": photo(0)}).rename(tmp_path / "album.cbz")
    assert open_album(tmp_path / "album.cbz", side=32, cameras=False).names == ("a.png",)


def test_a_file_gone_since_the_listing_is_refused_without_its_path(tmp_path: Path) -> None:
    with contents.album_files(album_at(tmp_path, {"a.png": photo(0)})) as files:
        (tmp_path / "a.png").unlink()
        with pytest.raises(AlbumError, match=r"^cannot be read: No such file or directory$"):
            files["a.png"]()


def test_nothing_kept_holds_an_absolute_path(where: Path) -> None:
    files = {"a.png": photo(0), "b.png": b"text", "c.png": photo(1)[:99], "d.png": b""}
    album = open_album(album_at(where, files), side=32, cameras=False)
    assert str(where.parent) not in repr((album.names, album.left_out))


def opened(path: Path) -> object:
    manager = pluggy.PluginManager("gpk")
    manager.add_hookspecs(Hooks)
    manager.register(gpk_photos)
    manager.check_pending()
    return manager.hook.gpk_open_album(path=path, side=32, cameras=False)


def test_the_hook_opens_folders_and_zips_and_leaves_other_files_alone(where: Path, tmp_path: Path) -> None:
    album = opened(album_at(where, {"a.png": photo(0)}))
    assert isinstance(album, gpk_photos.album.Album)
    (tmp_path / "photos.h5").write_bytes(b"\x89HDF")
    assert opened(tmp_path / "photos.h5") is None
    with pytest.raises(AlbumError, match="there is no such folder or zip file"):
        opened(tmp_path / "gone")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'open_albums'"):
        _ = gpk_photos.open_albums  # pyright: ignore[reportAttributeAccessIssue]


def test_importing_and_registering_is_light() -> None:
    program = (
        "import sys, pluggy, gpk_photos; pluggy.PluginManager('gpk').register(gpk_photos);"
        " assert not {'torch', 'PIL', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("cameras", [False, True])
def test_codes_beside_photos_puzzle_nobody(where: Path, cameras: bool) -> None:
    """My3DGen's albums: pictures, their codes and the labels side by side."""
    code = io.BytesIO()
    np.save(code, np.zeros((1, 14, 512), np.float32))
    beside = {"_latent.npy": code.getvalue(), ".pt": b"a pivot", ".npz": b"another", ".safetensors": b""}
    files = {f"{name}{end}": content for name in "ab" for end, content in beside.items()}
    files |= {"a.png": photo(1), "b.png": photo(2)}
    path = album_at(where, {**files, "dataset.json": labels(a=FRONT, b=LEFT)})
    album = open_album(path, side=32, cameras=cameras)
    assert album.names == ("a.png", "b.png")
    assert album.left_out == ()
    assert photo_names(path) == ["a.png", "b.png"]
    assert not is_raw(path, cameras=cameras)
