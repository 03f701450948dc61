"""Albums made wrong on purpose: tables, zips, names and layouts; and nothing that is a photo is lost without a word."""

from __future__ import annotations

import io
import os
import random
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gpk.errors import AlbumError
from gpk_photos import open_album
from gpk_photos.album import is_raw, photo_names
from gpk_photos.boxes import read_boxes
from gpk_photos.contents import LARGEST_FILE
from gpk_photos.scores import read_scores
from gpk_photos.selection import read_decisions, used_crops
from gpk_runs.pictures import write_picture

pytestmark = pytest.mark.attack

SIDE = 8
NAMES = ["a.jpg", "sub/b.png", "=cmd().png", " c .png", "e\u0301.png"]
CELLS = [
    "", '"', '""', '"a', "'", "=1+1", "\0", "\ufeff", "\u2028", "\x85", "\x0b", "\r", "\n", ",", ";", "\t", "nan",
    "inf", "1e999", "-0", "9" * 400, "9" * 5000, "x" * 3000, "x" * 200_000, "²", "١٢", "1_000", "0x1f", "yes", "no",
    "perhaps", "True", "\U0001f600", "\ud7ff", *NAMES,
]  # fmt: skip
"""What the cells of a table hold, or what stands between them."""


def photo(seed: int, side: int = SIDE) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def mutated(good: bytes, rng: random.Random) -> bytes:
    """The bytes with a few of them changed, doubled, dropped, moved, or cut off."""
    data = bytearray(good)
    for _ in range(rng.randint(1, 4)):
        at, size = rng.randrange(len(data) + 1), rng.choice([1, 1, 2, 4, 30])
        match rng.randrange(5):
            case 0:
                data[at : at + size] = rng.randbytes(min(size, len(data) - at))
            case 1:
                data[at : at + size] = b""
            case 2:
                data[at:at] = data[max(at - size, 0) : at] * rng.randint(1, 50)
            case 3:
                data[at : at + size] = rng.choice([b"\0", b"\xff"]) * size
            case _:
                del data[at:]
        data = data or bytearray(b"x")
    return bytes(data)


def tables(heading: str, row: str, rng: random.Random, count: int) -> Iterator[bytes]:
    """Tables with wrong cells, rows of wrong lengths, and wrong bytes."""
    for number in range(count):
        lines = [heading, *([row] * rng.randint(1, 4))]
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(lines))
            cells = lines[at].split(",")
            place = rng.randrange(len(cells) + 1)
            cells[place : place + rng.randint(0, 2)] = rng.choices(CELLS, k=rng.randint(0, 3))
            lines[at] = ",".join(cells)
        data = rng.choice(["\n", "\r\n", "\r"]).join(lines).encode("utf-8", "surrogatepass")
        yield mutated(data, rng) if number % 2 else data


def attack_tables(tally: Any, path: Path, heading: str, row: str, read: Callable[[], object]) -> None:
    for number, content in enumerate(tables(heading, row, random.Random(18), 1200)):
        path.write_bytes(content)
        tally.attempt(f"table {number}", read)


def test_selections_mutated(tally: Any, tmp_path: Path) -> None:
    path = tmp_path / "selection.csv"

    def read() -> None:
        read_decisions(path, NAMES)
        used_crops(path.read_bytes(), path)

    heading = "file,crop,use,decided by,gpk says,why,sharpness"
    attack_tables(tally, path, heading, "a.jpg,photos/a.png,yes,gpk,no,blurred: a bit,0.3", read)


def test_boxes_mutated(tally: Any, tmp_path: Path) -> None:
    path = tmp_path / "box.csv"
    heading = "file,left,top,right,bottom,roll"
    attack_tables(tally, path, heading, "sub/b.png,12,40,800,828,-8.5", lambda: read_boxes(path, NAMES))


def test_scores_mutated(tally: Any, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    attack_tables(tally, path, "file,smile,glasses", "00002.png,1,yes", lambda: read_scores(path, 4))


def test_zips_of_photos_mutated(tally: Any, tmp_path: Path) -> None:
    rng, path = random.Random(19), tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number, packed in enumerate((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)):
            archive.writestr(f"{number}.png", photo(number), compress_type=packed)
    good = path.read_bytes()
    directory = good.index(b"PK\1\2")
    for number in range(1500):
        data = bytearray(mutated(good, rng) if number % 3 == 0 else good)
        for _ in range(rng.randint(1, 3)) if number % 3 else ():  # flags, methods, sizes, offsets, names
            place = rng.randrange(directory, len(data))
            data[place] = rng.choice([0, 1, 8, 12, 14, 93, 127, 255, rng.randrange(256)])
        path.write_bytes(data)
        tally.attempt(f"zip {number}", lambda: open_album(path, side=SIDE, cameras=False))


def test_zip_members_of_every_kind(tally: Any, tmp_path: Path) -> None:
    rng, path = random.Random(20), tmp_path / "a.zip"
    odd = ["/a.png", "../a.png", "C:\\a.png", "12:30.png", "a\0b.png", "\x1b[31m.png", "x" * 5000 + ".png", "d/" * 999]
    for number in range(400):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("good.png", photo(0))
            for seed in range(rng.randint(1, 4)):
                member = zipfile.ZipInfo(rng.choice([*odd, f"{seed}.png", "a.zip", "selection.csv", "masks/good.png"]))
                member.external_attr = rng.choice([0, (stat.S_IFLNK | 0o777) << 16, (stat.S_IFIFO | 0o600) << 16, 0x10])
                member.compress_type = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
                with pytest.warns() if member.filename in archive.namelist() else nullcontext():
                    archive.writestr(member, rng.choice([b"", photo(seed), photo(seed)[:99], b"/etc/passwd"]))
        found = tally.attempt(f"members {number}", lambda: open_album(path, side=SIDE, cameras=False))
        told = "" if isinstance(found, AlbumError) else f"{found.names} {found.left_out}"  # pyright: ignore
        if told and "good.png" not in told:
            tally.fail(f"members {number}", f"the good photo is gone: {told}")


def test_bombs_of_zeros(tally: Any, tmp_path: Path) -> None:
    for size in (LARGEST_FILE - 1, LARGEST_FILE + 1):
        for name in ("a.png", "noext", "selection.csv"):
            with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("good.png", photo(0))
                with archive.open(name, "w") as member:
                    for _ in range(size >> 20):
                        member.write(bytes(2**20))
                    member.write(bytes(size & (2**20 - 1)))
            tally.attempt(f"{name} of {size}", lambda: open_album(tmp_path / "a.zip", side=SIDE, cameras=False))


def test_file_names_of_every_kind(tally: Any, tmp_path: Path) -> None:
    rng = random.Random(21)
    letters = [
        *"ab:\\*?\"<>|=+-@';,\t\n\r\x1b\x7f%#~ $",
        *"éßİ\u0301\u202e\u200b\ufeff\U0001f600漢",
        "\udcff",
        "\ud83d",
    ]
    for number in range(800):
        name = "".join(rng.choices(letters, k=rng.choice([1, 3, 12, 60]))) + rng.choice(
            [".png", ".PNG", "", ".jpg_large"]
        )
        try:
            folder = tmp_path / str(number)
            folder.mkdir()
            (folder / name).write_bytes(photo(1))
        except (OSError, ValueError):  # no name on this system
            continue

        def look(folder: Path = folder) -> int:
            is_raw(folder, cameras=False)
            return len(open_album(folder, side=SIDE, cameras=False)) + len(photo_names(folder))

        if tally.attempt(f"name {number}", look) != 2:
            tally.fail(f"name {number} {name!r}", "the photo is gone")


def test_folder_layouts(tally: Any, tmp_path: Path) -> None:
    """Photos among everything that lies beside photos: each of them is learned from, and nothing else is."""
    rng = random.Random(22)
    for number in range(800):
        album = tmp_path / str(number)
        photos = _photos(album, rng)
        for _ in range(rng.randint(1, 6)):
            rng.choice(BESIDE)(album, rng)

        def look(album: Path = album) -> set[str]:
            is_raw(album, cameras=False)
            found = open_album(album, side=SIDE, cameras=False)
            return set(found.names)

        if (names := tally.attempt(f"layout {number}", look)) != photos:
            tally.fail(f"layout {number}", f"{names} and not {photos}")


def _photos(album: Path, rng: random.Random) -> set[str]:
    names = {rng.choice(["", "beach/", "2020/01/"]) + f"photo{seed}.png" for seed in range(rng.randint(1, 3))}
    for seed, name in enumerate(sorted(names)):
        (album / name).parent.mkdir(parents=True, exist_ok=True)
        (album / name).write_bytes(photo(100 + seed))
    (album / "top.png").write_bytes(photo(99))
    return names | {"top.png"}


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def _run(album: Path, rng: random.Random) -> None:
    folder = album / rng.choice(["runs/x", "out", "beach/run"])
    for name in ("config.yaml", "log.jsonl", "pictures/train.png", "pictures/a/photo0.png"):
        _write(folder / name, photo(rng.randrange(50)))


def _prepared(album: Path, rng: random.Random) -> None:
    folder = album / rng.choice(["albums/x", "prepared", "prepared again/x"])
    for name in ("selection.csv", "contact-sheet.png", "photos/a.png", "dataset.json", ".prepare/state.safetensors"):
        _write(folder / name, photo(rng.randrange(50)))


def _render(album: Path, rng: random.Random) -> None:
    write_picture(album / f"render{rng.randrange(9)}.png", Image.new("RGB", (SIDE, SIDE), (rng.randrange(256), 0, 0)))


def _masks(album: Path, rng: random.Random) -> None:
    white = io.BytesIO()
    Image.new("L", (SIDE, SIDE), 255).save(white, "PNG")
    _write(album / rng.choice(["masks/photo0.png", "depth/top.png", "dynamic_mask_top.png"]), white.getvalue())


def _links(album: Path, rng: random.Random) -> None:
    link = album / f"link{rng.randrange(9)}"
    if not link.is_symlink():
        link.symlink_to(rng.choice([album, album.parent, Path("/"), album / "nowhere", Path(link.name), "/dev/zero"]))


def _special(album: Path, rng: random.Random) -> None:
    if not (pipe := album / rng.choice(["pipe.png", "pipe", "selection"])).exists():
        os.mkfifo(pipe)


def _clutter(album: Path, rng: random.Random) -> None:
    name = rng.choice(["clip.mov", "a.dng", "notes.txt", "Thumbs.db", ".DS_Store", "a.npy", "box.csv", "what", "e.png"])
    _write(album / name, rng.choice([b"", b"x", rng.randbytes(40)]))


BESIDE = (_run, _prepared, _render, _masks, _links, _special, _clutter)
