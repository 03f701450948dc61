"""A part is its writer's alone: nothing is followed, nobody else's is consumed, and what a killed process left goes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gpk.errors import RunError
from gpk_checkpoints.atomic import holds_something, new_folder, replacing, write_atomically
from gpk_checkpoints.parts import new_part, part_of, remove_parts

HOLDING = """
import sys
from pathlib import Path
from gpk_checkpoints.parts import new_part
with new_part(Path(sys.argv[1]), folder=bool(sys.argv[2:])) as part:
    if sys.argv[2:]:
        (part / "inside").write_bytes(b"half")
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def writer(running: Callable[..., Any]) -> Callable[..., Any]:
    """A process that holds a part until it is killed or its stdin ends."""
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}

    def start(path: Path, *folder: str) -> Any:
        return running(sys.executable, "-c", HOLDING, path, *folder, **streams)

    return start


def test_other_files_beside_an_output_are_left_alone(tmp_path: Path) -> None:
    for name in ("a.part", "a.tmp", "a~", "a.gpk-part"):
        (tmp_path / name).write_bytes(b"theirs")
    write_atomically(tmp_path / "a", [b"ours"])
    remove_parts(tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {
        "a": b"ours", "a.part": b"theirs", "a.tmp": b"theirs", "a~": b"theirs", "a.gpk-part": b"theirs"
    }  # fmt: skip


def test_a_link_in_the_place_of_a_part_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"theirs")
    part_of(tmp_path / "a").symlink_to(tmp_path / "other")
    with pytest.raises(RunError, match=r"\.a\.gpk-part is in the way, and nothing that gpk wrote: move it away"):
        write_atomically(tmp_path / "a", [b"ours"])
    assert (tmp_path / "other").read_bytes() == b"theirs"
    assert not (tmp_path / "a").exists()


def test_a_link_in_the_place_of_the_output_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"theirs")
    (tmp_path / "a").symlink_to(tmp_path / "other")
    write_atomically(tmp_path / "a", [b"ours"])
    assert (tmp_path / "other").read_bytes() == b"theirs"
    assert (tmp_path / "a").read_bytes() == b"ours"
    assert not (tmp_path / "a").is_symlink()


@pytest.mark.skipif(sys.platform == "win32", reason="no modes of that kind there")
def test_who_may_read_it_is_up_to_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a", [b""])
        with new_folder(tmp_path / "folder") as part:
            (part / "inside").write_bytes(b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o750


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The test's folder is the working one, and who tests has no more rights than others."""
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o777)
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    yield
    os.seteuid(before)


@pytest.mark.skipif(sys.platform == "win32", reason="no modes of that kind there")
@pytest.mark.usefixtures("nobody")
def test_a_part_that_may_not_be_touched_stays_and_stops_nobody_else() -> None:
    part = part_of(Path("a"))
    part.write_bytes(b"theirs")
    part.chmod(0)
    remove_parts(Path())
    assert part.exists()
    with pytest.raises(RunError, match="cannot write a: Permission denied: give another place"):
        write_atomically(Path("a"), [b"ours"])


@pytest.mark.skipif(sys.platform == "win32", reason="no modes of that kind there")
@pytest.mark.usefixtures("nobody")
def test_in_a_folder_that_one_may_write_and_not_read() -> None:
    Path("in").mkdir()
    Path("in").chmod(0o333)
    write_atomically(Path("in/a"), [b"whole"])
    assert Path("in/a").read_bytes() == b"whole"
    Path("in").chmod(0o777)


@pytest.mark.skipif(sys.platform == "win32", reason="no modes of that kind there")
@pytest.mark.usefixtures("nobody")
def test_an_empty_folder_in_one_that_may_not_be_written() -> None:
    Path("theirs/ours").mkdir(parents=True)
    Path("theirs").chmod(0o555)
    with new_folder(Path("theirs/ours")) as part:
        (part / "inside").write_bytes(b"whole")
    Path("theirs").chmod(0o777)
    assert [path.name for path in Path("theirs/ours").iterdir()] == ["inside"]


def test_the_empty_folder_that_one_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    left = part_of(Path("content"))
    left.mkdir()
    assert not holds_something(Path())
    with new_folder(Path()) as part:
        (part / "inside").write_bytes(b"whole")
        assert part == left
    assert [path.name for path in Path().iterdir()] == ["inside"]
    assert holds_something(Path())


def test_the_longest_names(tmp_path: Path) -> None:
    assert len(part_of(tmp_path / ("a" * 143)).name) < 143
    for name in ("a" * 255, "ü" * 127):
        write_atomically(tmp_path / name, [b"whole"])
        assert (tmp_path / name).read_bytes() == b"whole"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("folder", [(), ("folder",)])
@pytest.mark.skipif(sys.platform == "win32", reason="no flock there")
def test_what_another_process_writes_stays_until_it_is_killed(
    tmp_path: Path, writer: Callable[..., Any], folder: tuple[str, ...]
) -> None:
    path = tmp_path / "a"
    with writer(path, *folder) as process:
        assert process.stdout.readline().strip() in ("ready", b"ready")
        with pytest.raises(RunError, match="is being written by another process: wait for it, or give another place"):
            write_atomically(path, [b"ours"])
        remove_parts(tmp_path)
        assert part_of(path).exists()
        process.kill()
        process.wait(60)
    assert part_of(path).exists()
    if folder:
        remove_parts(tmp_path)
    else:
        write_atomically(path, [b"ours"])
    assert not part_of(path).exists()


def test_a_part_that_has_its_name_is_not_mixed_up_with_the_next(tmp_path: Path) -> None:
    with new_part(tmp_path / "a") as part:
        part.replace(tmp_path / "a")
        part.write_bytes(b"the next one's")
    assert part.read_bytes() == b"the next one's"


@pytest.mark.parametrize("made", [replacing, new_folder])
def test_a_block_that_fails_leaves_nothing(tmp_path: Path, made: Callable[[Path], Any]) -> None:
    def fail() -> None:
        with made(tmp_path / "a") as part:
            (part / "inside" if part.is_dir() else part).write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not list(tmp_path.iterdir())
