"""Downloads from a real server that drops, changes, refuses and lies."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from gpk.errors import ExtraError, RunError, WeightsError
from gpk_checkpoints.download import TRIES, download, file_sha256
from gpk_checkpoints.https import published_size


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some" / "folder" / "weights.bin"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def leftovers(path: Path) -> list[str]:
    """What lies beside the file, but for the empty lock."""
    return sorted(p.name for p in path.parent.iterdir() if p != path and not p.name.endswith(".lock"))


def test_the_file_arrives_with_its_hash_and_its_progress(server: Any, path: Path) -> None:
    shown: list[tuple[int, int]] = []
    found = download(server.url, path, show=lambda done, total: shown.append((done, total)))
    assert path.read_bytes() == server.content
    assert found == digest(server.content) == file_sha256(path)
    assert leftovers(path) == []
    assert [done for done, _ in shown] == sorted({done for done, _ in shown})
    assert shown[-1] == (len(server.content),) * 2
    assert {total for _, total in shown} == {len(server.content)}


def test_the_right_hash_or_its_first_digits_pass(server: Any, tmp_path: Path) -> None:
    whole = digest(server.content)
    for name, sha256 in {"whole": whole, "upper": whole.upper(), "prefix": whole[:8]}.items():
        assert download(server.url, tmp_path / name, sha256=sha256) == whole


def test_a_file_that_is_there_is_not_fetched_again(server: Any, path: Path) -> None:
    download(server.url, path)
    assert download(server.url, path) == download(server.url, path, sha256=digest(server.content)[:8])
    assert len(server.asked) == 1
    path.write_bytes(b"another")
    download(server.url, path, sha256=digest(server.content))
    assert path.read_bytes() == server.content


def test_a_wrong_hash_deletes_the_file_and_names_both(server: Any, path: Path) -> None:
    both = rf"its sha256 is {digest(server.content)}, expected {'0' * 64}\. It is deleted"
    with pytest.raises(WeightsError, match=both):
        download(server.url, path, sha256="0" * 64)
    assert not path.exists()
    assert leftovers(path) == []


def test_a_dropped_connection_is_taken_up_where_it_ended(server: Any, path: Path) -> None:
    server.drops = [300_000, 200_000]
    assert download(server.url, path, pause=0) == digest(server.content)
    assert path.read_bytes() == server.content
    assert server.spans == ["", "bytes=300000-", "bytes=500000-"]
    assert server.asked[1]["If-Range"] == '"one"'


def test_the_next_call_goes_on(server: Any, path: Path) -> None:
    server.drops = [300_000]
    server.statuses = [200, 404]
    with pytest.raises(ExtraError, match=r"404 Not Found; it may have moved; the 0\.3 MB that have come are kept"):
        download(server.url, path, pause=0)
    assert not path.exists()
    assert leftovers(path) == ["weights.bin.part", "weights.bin.part.json"]
    assert download(server.url, path) == digest(server.content)
    assert path.read_bytes() == server.content
    assert leftovers(path) == []
    assert server.spans[-1] == "bytes=300000-"


def test_a_date_names_the_version_where_the_tag_is_weak(server: Any, path: Path) -> None:
    server.headers = {"ETag": 'W/"one"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}
    server.drops = [300_000]
    assert download(server.url, path, pause=0) == digest(server.content)
    assert server.asked[1]["If-Range"] == "Mon, 01 Jan 2024 00:00:00 GMT"


@pytest.mark.parametrize("changed", [{"ETag": '"two"'}, {}])
def test_a_file_that_changed_starts_over(server: Any, path: Path, changed: dict[str, str]) -> None:
    server.drops = [300_000]
    server.statuses = [200, 404]
    with pytest.raises(ExtraError, match="404"):
        download(server.url, path, pause=0)
    server.content, server.headers = b"quite another file" * 999, changed
    assert download(server.url, path) == digest(server.content)
    assert path.read_bytes() == server.content


def test_another_address_starts_over(server: Any, path: Path) -> None:
    server.drops = [300_000]
    server.statuses = [200, 404]
    with pytest.raises(ExtraError, match="404"):
        download(server.url, path, pause=0)
    assert download(server.url + "-2", path) == digest(server.content)
    assert server.spans == ["", "bytes=300000-", ""]


def test_a_server_without_ranges_starts_over(server: Any, path: Path) -> None:
    server.ranges, server.drops = False, [300_000]
    assert download(server.url, path, pause=0) == digest(server.content)
    assert path.read_bytes() == server.content


def test_a_server_that_names_no_version_is_asked_for_everything(server: Any, path: Path) -> None:
    server.headers, server.drops = {}, [300_000]
    assert download(server.url, path, pause=0) == digest(server.content)
    server.drops, server.statuses = [300_000], [200, 404]
    with pytest.raises(ExtraError, match="404"):
        download(server.url, path.with_name("second"), pause=0)
    download(server.url, path.with_name("second"))
    assert server.spans[-1] == ""


def test_a_rest_that_begins_elsewhere_starts_over(server: Any, path: Path) -> None:
    server.drops, server.shifted = [300_000], 7
    assert download(server.url, path, pause=0) == digest(server.content)
    assert server.spans == ["", "bytes=300000-", ""]


def test_a_rest_that_is_not_there_starts_over(server: Any, path: Path) -> None:
    server.drops, server.statuses = [300_000], [200, 416]
    assert download(server.url, path, pause=0) == digest(server.content)
    assert server.spans == ["", "bytes=300000-", ""]


def test_a_length_that_never_comes_ends_after_some_tries(server: Any, path: Path) -> None:
    server.ranges, server.length = False, len(server.content) + 1
    with pytest.raises(ExtraError, match=r"the connection ended after 1,024,000 of 1,024,001 bytes"):
        download(server.url, path, pause=0)
    assert len(server.asked) == 1 + TRIES
    assert not path.exists()


def test_a_length_that_is_too_small_is_found_by_the_hash(server: Any, path: Path) -> None:
    server.length = 1000
    with pytest.raises(WeightsError, match="is not the file it should be"):
        download(server.url, path, sha256=digest(server.content))
    assert not path.exists()


def test_no_length_is_no_hindrance(server: Any, path: Path) -> None:
    server.tells_length = False
    shown: list[tuple[int, int]] = []
    download(server.url, path, show=lambda done, total: shown.append((done, total)))
    assert path.read_bytes() == server.content
    assert shown[-1] == (len(server.content), 0)
    assert published_size(server.url, timeout=5) is None


def test_a_part_that_is_longer_than_the_file_is_not_gone_on_with(server: Any, path: Path) -> None:
    server.drops, server.statuses = [300_000], [200, 404]
    with pytest.raises(ExtraError, match="404"):
        download(server.url, path, pause=0)
    part = path.with_name("weights.bin.part")
    part.write_bytes(part.read_bytes() + server.content)
    assert download(server.url, path) == digest(server.content)
    assert server.spans[-2:] == ["bytes=300000-", ""]


def test_a_busy_server_is_asked_again(server: Any, path: Path) -> None:
    server.statuses = [503, 429, 200]
    assert download(server.url, path, pause=0) == digest(server.content)


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (401, "401 Unauthorized; it wants a login"),
        (403, "403 Forbidden; it may want a login, or be gone"),
        (404, "404 Not Found; it may have moved"),
    ],
)
def test_a_refusal_is_told_at_once(server: Any, path: Path, status: int, told: str) -> None:
    server.statuses = [status, status]
    with pytest.raises(ExtraError, match=f"weights.bin cannot be fetched: the server says {told}"):
        download(server.url, path)
    with pytest.raises(ExtraError, match=told):
        published_size(server.url, timeout=5)
    assert len(server.asked) == 2


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/json"])
def test_a_page_is_no_file(server: Any, path: Path, kind: str) -> None:
    server.headers["Content-Type"] = kind
    with pytest.raises(ExtraError, match=rf"answered with a page \({kind.split(';')[0]}\) instead of a file"):
        download(server.url, path)
    assert not path.exists()


def test_an_empty_file_is_refused(server: Any, path: Path) -> None:
    server.length, server.drops = 0, [0]
    with pytest.raises(ExtraError, match="is an empty file"):
        download(server.url, path)


@pytest.mark.parametrize("url", ["http://example.org/x", "ftp://example.org/x", "file:///etc/passwd", "x"])
def test_only_https(path: Path, url: str) -> None:
    with pytest.raises(ExtraError, match=f"{re.escape(url)} is not fetched: weights come over https alone"):
        download(url, path)


def test_a_redirect_away_from_https_is_refused(server: Any, path: Path) -> None:
    server.statuses, server.headers = [302], {"Location": "http://example.org/weights.bin"}
    with pytest.raises(ExtraError, match=r"http://example\.org/weights\.bin is not fetched"):
        download(server.url, path)


def test_a_redirect_on_this_machine_is_followed_and_resumed(server: Any, path: Path) -> None:
    server.statuses, server.drops = [302, 200, 302, 200], [300_000]
    server.headers["Location"] = server.url + "?signed"
    assert download(server.url, path, pause=0) == digest(server.content)
    assert server.spans == ["", "", "bytes=300000-", "bytes=300000-"]


def test_offline_is_told_at_once(path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/weights.bin"
        with pytest.raises(ExtraError, match=f"{re.escape(url)} cannot be fetched: Connection refused"):
            download(url, path, pause=60)


def test_a_silent_server_is_not_waited_for(server: Any, path: Path) -> None:
    server.drops, server.ranges = [300_000, -1] * (2 + TRIES), False
    with pytest.raises(ExtraError, match=r"the server is silent; the 0\.\d MB that have come are kept"):
        download(server.url, path, timeout=0.1, pause=0)
    assert len(server.asked) == 1 + TRIES


def test_no_room_is_told_before_the_download(server: Any, path: Path) -> None:
    server.length = 10**18
    with pytest.raises(RunError, match=r"MB free, and 1,000,000,000,000 MB are to come: make room"):
        download(server.url, path)
    assert not path.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of a file's size there")
def test_a_disk_that_fills_up(
    server: Any, path: Path, small_files: Callable[[int], AbstractContextManager[None]]
) -> None:
    said = r"cannot write .*weights\.bin\.part: File too large\. What has come"
    with small_files(1 << 12), pytest.raises(RunError, match=said):
        download(server.url, path)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_in_the_place_of_a_part_are_not_followed(server: Any, path: Path, tmp_path: Path) -> None:
    path.parent.mkdir(parents=True)
    names = ("weights.bin.part", "weights.bin.part.json")
    for name in names:
        (tmp_path / name).write_bytes(b"theirs")
        path.with_name(name).symlink_to(tmp_path / name)
    with pytest.raises(RunError, match=r"cannot write .*weights\.bin\.part: Too many levels of symbolic links"):
        download(server.url, path)
    path.with_name(names[0]).unlink()
    assert download(server.url, path) == digest(server.content)
    assert [(tmp_path / name).read_bytes() for name in names] == [b"theirs"] * 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipes_in_the_place_of_a_part_are_not_waited_for(server: Any, path: Path) -> None:
    path.parent.mkdir(parents=True)
    part, note = (path.with_name(f"weights.bin.{ending}") for ending in ("part", "part.json"))
    os.mkfifo(part)
    os.mkfifo(note)
    with pytest.raises(RunError, match=r"cannot write .*weights\.bin\.part"):
        download(server.url, path)
    part.unlink()
    assert download(server.url, path) == digest(server.content)
    assert not leftovers(path)


def test_a_folder_that_is_a_file(server: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot write in .*file: (Not a directory|File exists)"):
        download(server.url, tmp_path / "file" / "weights.bin")


def test_a_second_process_waits_and_finds_the_file(server: Any, path: Path, running: Callable[..., Any]) -> None:
    script = (
        "import sys; from pathlib import Path; from gpk_checkpoints.download import download; "
        "print('ready', flush=True); print(download(sys.argv[1], Path(sys.argv[2]), pause=0))"
    )
    server.drops = [300_000, -1]  # the first one hangs half-way until the second one has come

    def started() -> Any:
        return running(sys.executable, "-c", script, server.url, path, stdout=subprocess.PIPE)

    with started() as first, started() as second:
        assert first.stdout.readline() == second.stdout.readline() == "ready\n"
        until = time.monotonic() + 60
        while not server.asked and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.3)
        assert len(server.asked) == 1
        server.stalls.set()
        assert {process.communicate(timeout=60)[0].strip() for process in (first, second)} == {digest(server.content)}
    assert server.spans == ["", "bytes=300000-"]


def test_the_size_is_told(server: Any) -> None:
    assert published_size(server.url, timeout=5) == len(server.content)


def test_importing_is_light() -> None:
    light = "import sys, gpk_checkpoints.download; assert not {'torch', 'numpy', 'yaml'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", light], check=True)
