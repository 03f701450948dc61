"""What lies in an album: names of every kind, links, and what is no file."""

from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path

import pytest

from gpk.errors import AlbumError
from gpk_photos import contents
from gpk_photos.contents import album_files


def names(path: Path) -> list[str]:
    with album_files(path) as files:
        return list(files)


def test_a_folders_own_names_are_good_whatever_they_are(tmp_path: Path) -> None:
    odd = ["12:30.jpg", "C:tom.png", "a\\b.png", "tab\t.png", "=1.png", "e\u0301.png", "\u00e9.png", "x" * 251 + ".png"]
    for name in odd:
        (tmp_path / name).write_bytes(b"x")
    assert names(tmp_path) == sorted(odd)


def test_a_zip_keeps_colons_and_drops_drives(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("12:30.jpg", "C:tom.png", "C:\\tom.png", "d/c:1.png", "\\\\host\\share\\a.png"):
            archive.writestr(name, b"x")
    assert names(tmp_path / "a.zip") == ["12:30.jpg", "d/c:1.png"]


def test_folders_that_are_links_are_followed_once(tmp_path: Path) -> None:
    album, photos = tmp_path / "album", tmp_path / "photos"
    (photos / "deep").mkdir(parents=True)
    (photos / "deep" / "a.png").write_bytes(b"x")
    (photos / "deep" / "round").symlink_to(photos)  # a circle
    (album / "own").mkdir(parents=True)
    (album / "own" / "b.png").write_bytes(b"x")
    for name, target in {"1": photos, "2": photos, "0": album / "own", "up": tmp_path, "me": album}.items():
        (album / name).symlink_to(target)
    (album / "self").symlink_to("self")
    assert names(album) == ["1/deep/a.png", "own/b.png", "self"]
    (tmp_path / "whole").symlink_to(album)
    assert names(tmp_path / "whole") == names(album)


def test_a_zips_links_are_not_followed(tmp_path: Path) -> None:
    member = zipfile.ZipInfo("a.png")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(member, "/etc/passwd")
    with album_files(tmp_path / "a.zip") as files, pytest.raises(AlbumError, match="a link, which is not followed"):
        files["a.png"]()


def test_a_zip_packed_by_lzma_is_told(tmp_path: Path) -> None:
    """Which asks for as much memory as the member says, up to 4 GiB."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.png", b"x" * 99)
    with album_files(tmp_path / "a.zip") as files, pytest.raises(AlbumError, match="make an ordinary zip"):
        files["a.png"]()


def test_what_is_no_file_is_refused_when_it_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "null.png").symlink_to("/dev/zero")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    with album_files(tmp_path) as files:
        for name, told in {"pipe": "no file, but", "null": "no file, but", "gone": "cannot be read: No such"}.items():
            with pytest.raises(AlbumError, match=told) as caught:
                files[f"{name}.png"](first=8)
            assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("place", ["/dev/null", "/dev/zero", "pipe.zip"])
def test_a_device_is_no_album(tmp_path: Path, place: str) -> None:
    os.mkfifo(tmp_path / "pipe.zip")
    with pytest.raises(AlbumError, match="is neither a folder nor a zip file"), album_files(tmp_path / place):
        pass


def test_a_link_to_a_whole_disk_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "MOST_FILES", 5)
    for number in range(6):
        (tmp_path / f"{number}.png").write_bytes(b"x")
    with pytest.raises(AlbumError, match="holds more values than any such file"), album_files(tmp_path):
        pass


def test_the_first_bytes_alone_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(range(99)))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "a", "a")
    for path in (tmp_path, tmp_path / "a.zip"):
        with album_files(path) as files:
            assert files["a"](first=3) == b"\0\1\2"
