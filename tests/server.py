"""A real server of one file on this machine, that misbehaves as it is told."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """Serves `content` at every address below `url`; what a test sets here goes for the requests that follow.

    `drops` are, for one request after the other, the bytes of the body after which the connection ends; `asked` are
    the headers of all that came.
    """

    def __init__(self, address: str) -> None:
        self.url = f"http://{address}/some/weights.bin"
        self.content = bytes(range(256)) * 4000
        self.headers: dict[str, str] = {"ETag": '"one"'}
        self.statuses: list[int] = []
        self.drops: list[int] = []
        self.ranges = True
        self.shifted = 0
        self.length: int | None = None
        self.tells_length = True
        self.stalls = threading.Event()
        self.asked: list[dict[str, str]] = []

    @property
    def spans(self) -> list[str]:
        """The Range header of each request, empty where it asked for everything."""
        return [headers.get("Range", "") for headers in self.asked]


@contextmanager
def serving() -> Iterator[Server]:
    """A server for the block."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    http.told = server = Server(f"127.0.0.1:{http.server_port}")  # pyright: ignore[reportAttributeAccessIssue]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.stalls.set()
        http.shutdown()
        thread.join()
        http.server_close()


class Answer(BaseHTTPRequestHandler):
    """One request's answer."""

    def do_GET(self) -> None:
        told: Server = self.server.told  # pyright: ignore[reportAttributeAccessIssue]
        told.asked.append(dict(self.headers))
        if told.statuses and (status := told.statuses.pop(0)) != 200:
            self.send_response(status)
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = self._start(told)
        if start >= len(told.content):
            self.send_error(416)
            return
        body = told.content[start:]
        self.send_response(206 if start else 200)
        for name, value in told.headers.items():
            self.send_header(name, value)
        if start:
            self.send_header(
                "Content-Range", f"bytes {start + told.shifted}-{len(told.content) - 1}/{len(told.content)}"
            )
        if told.tells_length:
            self.send_header("Content-Length", str(len(body) if told.length is None else told.length))
        self.end_headers()
        self.wfile.write(body[: told.drops.pop(0)] if told.drops else body)
        if told.drops and told.drops[0] < 0:  # a silence instead of an end
            told.drops.pop(0)
            told.stalls.wait(60)

    def _start(self, told: Server) -> int:
        span = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range") in (told.headers.get("ETag"), told.headers.get("Last-Modified"))
        return int(span[1]) if span and told.ranges and same else 0

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the library's name
        pass

    def handle(self) -> None:
        with suppress(ConnectionError):  # who asked has hung up, as some tests mean to
            super().handle()
