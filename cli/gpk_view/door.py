"""Who comes in, and how much: asked of every request before anything is answered.

A browser lets any page connect to this machine, and any name be made to lead here; it tells us both, in the headers
`Origin` and `Host` (RFC 6454, section 7; RFC 9110, section 7.2). A page is our own where its origin is the address that
the browser asked, and that address is a number or a name that nobody else gives out. Whoever is no browser states no
origin, and runs on this machine or was let in by `--host`.

viser makes its server by `websockets.asyncio.server.serve`, whose settings are public and which it gives no way to
choose; so they are chosen on the way there. `guarding` fails where a viser no longer goes that way.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import websockets.asyncio.server
from websockets.asyncio.server import Server, ServerConnection
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from gpk.errors import ExtraError, InputError
from gpk_view.messages import MOST_BYTES, understood

MOST_BROWSERS = 32
"""Connections at a time."""

Handler = Callable[[ServerConnection], Awaitable[None]]
Failed = Callable[[BaseException], None]
"""Told of an error that nobody foresaw."""

QUIET = logging.getLogger("gpk_view.websockets")
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False


@dataclass(frozen=True)
class Door:
    """Of a server at `host`; `origins` are addresses of others by which browsers reach it, such as a proxy's."""

    host: str
    origins: frozenset[str] = frozenset()

    def refusal(self, request: Request) -> str | None:
        """Why this is not let in; None where it is."""
        hosts, origins = request.headers.get_all("Host"), request.headers.get_all("Origin")
        if len(hosts) != 1 or not self._known(hosts[0]):
            return f"the viewer is not served as {', '.join(hosts)[:200]!r}: start it with --origin for another address"
        own = (f"http://{hosts[0].lower()}", *self.origins)
        if origins and (len(origins) > 1 or origins[0].lower() not in own):
            return f"a page of {', '.join(origins)[:200]!r} is not the viewer's: start it with --origin to let it in"
        return None

    def _known(self, place: str) -> bool:
        """Whether this machine, or a proxy, is meant by that name or number, and nobody else can have given it."""
        try:
            name = urlsplit(f"//{place}").hostname or ""
        except ValueError:
            return False
        names = {"localhost", self.host.lower(), socket.gethostname().lower()}
        return _is_number(name) or name in names | {urlsplit(origin).hostname for origin in self.origins}


def checked_origin(origin: str) -> str:
    """An origin as browsers write it; raises InputError where it is none.

    >>> checked_origin("https://View.example.org/")
    'https://view.example.org'
    """
    try:
        parts = urlsplit(origin)
        whole = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is no number
        parts, whole = None, False
    if not parts or not whole or parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise InputError(f"an origin is like https://view.example.org, or with a port behind it, not {origin[:200]!r}")
    return f"{parts.scheme}://{parts.netloc}".lower()


class Connection(ServerConnection):
    """Hears what `messages` knows, and nothing before what was said last is on its way: for who does not read, nothing
    more is made.
    """

    def __init__(self, protocol: ServerProtocol, server: Server, **settings: Any) -> None:  # noqa: ANN401
        super().__init__(protocol, server, **settings)
        self._saying = asyncio.Lock()

    async def send(self, message: Any, text: bool | None = None) -> None:  # noqa: ANN401 - as in websockets
        """Sends one message at a time."""
        async with self._saying:
            await super().send(message, text)

    async def recv(self, decode: bool | None = None) -> Any:  # noqa: ANN401 - text or bytes there, bytes here
        """The next message that can be understood."""
        while True:
            heard = understood(await super().recv(decode))
            async with self._saying:
                if heard is not None:
                    return heard


@contextlib.contextmanager
def guarding(door: Door, failed: Failed) -> Iterator[None]:
    """The server that viser makes in the block has this door; an error in one of its connections ends that one, and
    `failed` is told. Raises ExtraError where no server was made.
    """
    module, made = websockets.asyncio.server, []
    original = module.serve

    def serve(handler: Handler, *place: Any, process_request: Any = None, **settings: Any) -> Any:  # noqa: ANN401
        made.append(place)

        def request(connection: ServerConnection, request: Request) -> Response | None:
            refusal = door.refusal(request)
            if refusal is not None:
                return connection.respond(403, refusal + "\n")
            if len(connection.server.connections) >= MOST_BROWSERS:
                return connection.respond(503, f"{MOST_BROWSERS} windows look already: close one\n")
            answer = process_request(connection, request) if process_request else None
            if answer is not None:
                answer.headers["Content-Security-Policy"] = "frame-ancestors 'none'"
            return answer

        settings |= {"max_size": MOST_BYTES, "create_connection": Connection, "logger": QUIET}
        return original(_alone(handler, failed), *place, process_request=request, **settings)

    setattr(module, "serve", serve)  # noqa: B010 - a function in place of a class, for a moment
    try:
        yield
    finally:
        setattr(module, "serve", original)  # noqa: B010
    if not made:
        raise ExtraError("this version of viser cannot be guarded: pip install 'gpk[view]'")


def _alone(handler: Handler, failed: Failed) -> Handler:
    """`handler`, whose errors are its connection's alone."""

    async def handled(connection: ServerConnection) -> None:
        try:
            await handler(connection)
        except Exception as error:
            failed(error)
            await connection.close(1011)

    return handled


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
