import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpk.errors import RunError
from gpk_checkpoints.atomic import write_atomically


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_writes_the_chunks_and_makes_the_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    write_atomically(path, [b"one", memoryview(b"two")])
    assert path.read_bytes() == b"onetwo"
    assert names(path.parent) == ["file"]


def test_the_old_file_survives_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(RunError, match=r"^cannot write .*file: No space left on device: make room, and run it again$"):
        write_atomically(path, [b"new"])
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_the_old_file_survives_an_interrupt(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def interrupted() -> Iterator[bytes]:
        yield b"half of the new"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, interrupted())
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_folder_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(RunError, match=r"cannot write .*file: Is a directory"):
        write_atomically(tmp_path / "file", [b"new"])
    assert names(tmp_path) == ["file"]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RunError, match=r"cannot write .*inside: (Not a directory|File exists)"):
        write_atomically(tmp_path / "file" / "inside", [b"new"])
