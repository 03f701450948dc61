"""Who comes in, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec.msgpack
import pytest
import websockets.asyncio.server
from viser import _messages
from websockets.asyncio.client import connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request

from gpk.context import Context
from gpk.errors import ExtraError, InputError
from gpk_view import door
from gpk_view.app import serving
from gpk_view.door import Connection, Door, checked_origin, guarding
from gpk_view.messages import MOST_BYTES
from gpk_view.scene import Stage

PROXY = "https://view.example.org"
LOCAL, OPEN, BEHIND = Door("127.0.0.1"), Door("0.0.0.0"), Door("127.0.0.1", frozenset({PROXY}))
OURS = "127.0.0.1:8080"
CAMERA = _messages.ViewerCameraMessage((1, 0, 0, 0), (0, 0, 2.7), 0.6, 0.01, 99, 480, 640, (0, 0, 0), (0, 1, 0))


def asked(*headers: tuple[str, str]) -> Request:
    return Request("/", Headers(headers))


@pytest.mark.parametrize(
    ("at", "host", "origin"),
    [
        (LOCAL, OURS, None),
        (LOCAL, OURS, f"http://{OURS}"),
        (LOCAL, "localhost:9000", "http://localhost:9000"),  # through a tunnel
        (LOCAL, "[::1]:8080", "http://[::1]:8080"),
        (OPEN, "192.0.2.7:8080", "http://192.0.2.7:8080"),
        (OPEN, f"{socket.gethostname()}:8080", f"http://{socket.gethostname()}:8080"),
        (Door("lab"), "LAB:8080", "http://lab:8080"),
        (BEHIND, "view.example.org", PROXY),
        (BEHIND, OURS, PROXY),
        (BEHIND, OURS, f"http://{OURS}"),
    ],
)
def test_its_own_page_is_let_in(at: Door, host: str, origin: str | None) -> None:
    assert at.refusal(asked(("Host", host), *([("Origin", origin)] if origin else []))) is None


@pytest.mark.parametrize("origin", ["http://127.0.0.1:9999", "https://127.0.0.1:8080", "null", "", "http://evil.org"])
@pytest.mark.parametrize("at", [LOCAL, OPEN, BEHIND])
def test_a_page_of_another_host_port_or_scheme_is_not(at: Door, origin: str) -> None:
    told = at.refusal(asked(("Host", OURS), ("Origin", origin)))
    assert told == f"a page of {origin!r} is not the viewer's: start it with --origin to let it in"


@pytest.mark.parametrize("host", ["rebound.org:8080", "localhost.rebound.org", "", "[:8080", "127.0.0.1.rebound.org"])
@pytest.mark.parametrize("at", [LOCAL, OPEN, BEHIND])
def test_a_name_that_was_made_to_lead_here_is_not(at: Door, host: str) -> None:
    for request in (asked(("Host", host)), asked(("Host", host), ("Origin", f"http://{host}"))):
        told = at.refusal(request)
        assert told == f"the viewer is not served as {host!r}: start it with --origin for another address"


def test_a_header_that_is_said_twice_or_not_at_all_is_refused() -> None:
    assert LOCAL.refusal(asked()) is not None
    assert LOCAL.refusal(asked(("Host", OURS), ("Host", OURS))) is not None
    own = ("Origin", f"http://{OURS}")
    assert LOCAL.refusal(asked(("Host", OURS), own, own)) is not None


def test_an_origin_is_a_scheme_a_name_and_perhaps_a_port() -> None:
    assert checked_origin("http://Lab:8080") == "http://lab:8080"
    for none in ("view.example.org", "ftp://a", "https://", "https://a/page", "https://a:port", "https://b@a", "*"):
        with pytest.raises(InputError, match=re.escape(f"and not {none!r}".removeprefix("and "))):
            checked_origin(none)


@pytest.fixture
def url(subject: Context, port: int, tmp_path: Path) -> Any:
    """The address of a viewer."""
    assert subject.persona is not None
    stage = Stage(subject, {"Purrsephone": subject.persona})
    with serving(stage, host="127.0.0.1", port=port, folder=tmp_path, tell=print) as (url, _):
        yield url


def answer(url: str, *headers: str, host: str | None = None) -> bytes:
    """All that is answered to a request with these headers, until the other side hangs up, or for a second."""
    place = urlsplit(url)
    lines = ["GET / HTTP/1.1", f"Host: {host or place.netloc}", *headers, "", ""]
    said = b""
    with socket.create_connection((place.hostname, place.port)) as there:
        there.settimeout(1)
        there.sendall("\r\n".join(lines).encode())
        try:
            while part := there.recv(2**16):
                said += part
        except TimeoutError:
            pass
    return said


UPGRADE = (
    "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)  # fmt: skip


def test_a_foreign_page_is_refused_in_the_handshake_and_learns_nothing(url: str) -> None:
    import viser

    upgrade = (*UPGRADE, f"Sec-WebSocket-Protocol: viser-v{viser.__version__}")
    assert answer(url, *upgrade, f"Origin: {url}").startswith(b"HTTP/1.1 101 ")
    for foreign in (
        answer(url, *upgrade, "Origin: https://example.org"),
        answer(url, *upgrade, host="rebound.org"),
        answer(url, *upgrade, "Origin: http://rebound.org", host="rebound.org"),
        answer(url, host="rebound.org"),
    ):
        head, body = foreign.split(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 403 ")
        assert body.endswith((b"start it with --origin for another address\n", b"to let it in\n"))
        assert b"Purrsephone" not in foreign


def test_no_other_page_frames_it(url: str) -> None:
    page = answer(url)
    assert page.startswith(b"HTTP/1.1 200 ")
    assert b"Content-Security-Policy: frame-ancestors 'none'\r\n" in page


def test_there_is_room_for_some_browsers(
    url: str, browser: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "MOST_BROWSERS", 2)
    one, two = browser(url), browser(url)
    assert answer(url, *UPGRADE).startswith(b"HTTP/1.1 503 ")
    two.close()
    three = browser(url)
    three.look_from((3.0, 3.0, 3.0))
    three.until(lambda: three.pictures)
    for each in (one, three):
        each.close()


def test_a_frame_that_is_too_long_ends_its_connection_alone(url: str, browser: Callable[..., Any]) -> None:
    one, two = browser(url), browser(url)
    one.send_raw(bytes(MOST_BYTES + 1))
    with pytest.raises(ConnectionClosed, match="1009"):
        one.until(lambda: one.pictures)
    two.look_from((3.0, 3.0, 3.0))
    two.until(lambda: two.pictures)
    two.close()


def test_an_unguarded_server_is_none() -> None:
    with pytest.raises(ExtraError, match="this version of viser cannot be guarded"), guarding(LOCAL, print):
        pass


def test_an_error_in_a_connection_ends_that_one_and_is_told() -> None:
    failed: list[BaseException] = []

    async def handler(connection: ServerConnection) -> None:
        raise ZeroDivisionError("by nothing")

    async def both() -> None:
        with guarding(LOCAL, failed.append):
            serving = websockets.asyncio.server.serve(handler, "127.0.0.1", 0)
        async with serving as server, connect(f"ws://{place(server)}", proxy=None) as one:
            with pytest.raises(ConnectionClosed, match="1011"):
                await one.recv()

    asyncio.run(both())
    assert [str(error) for error in failed] == ["by nothing"]


def place(server: Server) -> str:
    host, port = server.sockets[0].getsockname()
    return f"{host}:{port}"


def test_who_does_not_read_is_not_heard_until_it_does() -> None:
    camera = msgspec.msgpack.encode(CAMERA.as_serializable_dict())
    waiting: asyncio.Queue[bytes] = asyncio.Queue()

    async def write(connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await connection.send(await waiting.get())

    async def answering(connection: ServerConnection) -> None:
        writing = asyncio.create_task(write(connection))
        with contextlib.suppress(ConnectionClosed):
            while True:
                await connection.recv()
                waiting.put_nowait(bytes(2**20))
        writing.cancel()

    async def both() -> None:
        async with (
            serve(answering, "127.0.0.1", 0, create_connection=Connection, compression=None) as server,
            connect(f"ws://{place(server)}", max_size=None, proxy=None) as one,
        ):
            for _ in range(100):
                await one.send(camera)
            await asyncio.sleep(1)
            assert waiting.qsize() <= 48  # what had come before the first answer; 74 wait where all are heard
            for _ in range(100):
                assert len(await one.recv()) == 2**20

    asyncio.run(both())
