"""The viewer's server: a page on this machine, a panel for every browser that opens it.

Whoever reaches the port sees and steers the viewer; so it is this machine's alone unless another host is asked for, and
pages of other sites, which a browser would let connect to this machine too, are turned away by their origin. viser can
publish a server on the internet at any browser's wish: that is taken out.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gpk.errors import ExtraError, GpkError, InputError
from gpk_view.browser_camera import home_distance
from gpk_view.camera import field_of_view
from gpk_view.edits import Edit, known_edits, learn_edits
from gpk_view.panel import Panel
from gpk_view.render_thread import RenderThread
from gpk_view.scene import Stage

if TYPE_CHECKING:
    import viser

LOCAL = ("127.0.0.1", "localhost", "::1")
"""Hosts that are this machine alone."""
TRIED = 100
"""Ports after one in use among which a free one is looked for."""
BLUE = (47, 93, 140)
FOREIGN = 1008
"""WebSocket's code for a connection that is against the rules (RFC 6455, section 7.4.1)."""


def check_place(host: str, port: int) -> None:
    """Raises ExtraError without viser, InputError where this machine cannot serve at `host` and `port`."""
    _viser()
    if not 0 < port < 2**16:
        raise InputError(f"a port is a number from 1 to 65535, not {port}")
    try:
        _listen(host, port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            told = f"cannot serve at {host}, port {port}: {error.strerror or error}"
            raise InputError(f"{told}: give another --host or --port") from error
        free = _free_port(host, port)
        such = "" if free is None else f", such as --port {free}"
        raise InputError(f"port {port} is in use here: give another one{such}") from error


class Viewer:
    """What the browsers have in common. Its methods run on the server's event loop."""

    def __init__(
        self,
        server: viser.ViserServer,
        stage: Stage,
        render_thread: RenderThread,
        folder: Path,
        tell: Callable[[str], None],
    ) -> None:
        self._server, self._stage, self._render_thread = server, stage, render_thread
        self._folder, self._tell = folder, tell
        self._panels: dict[int, Panel] = {}
        self._edits = known_edits(stage)
        self._learning = False
        server.on_client_connect(self._welcome)
        server.on_client_disconnect(self._part)

    async def _welcome(self, client: viser.ClientHandle) -> None:
        connection = self._server._websock_server._live_connections.get(client.client_id)
        if connection is None:
            return
        headers = connection.request.headers if connection.request else {}
        if not is_own(headers.get("Origin"), headers.get("Host", ""), local=self._server.get_host() in LOCAL):
            await connection.close(FOREIGN, "a page of another site")
            return
        self._panels[client.client_id] = Panel(
            client, self._stage, self._render_thread, edits=self._edits, learn=self._learn, folder=self._folder,
            tell=self._tell,
        )  # fmt: skip

    async def _part(self, client: viser.ClientHandle) -> None:
        panel = self._panels.pop(client.client_id, None)
        if panel is not None:
            panel.close()

    def _learn(self) -> None:
        if not self._learning:
            self._learning = True
            self._render_thread.ask("learn", self._learn_now)

    def _learn_now(self) -> None:
        """Learns the edits, on the render thread."""
        on_loop = self._server.get_event_loop().call_soon_threadsafe

        def progress(share: float) -> None:
            on_loop(self._told_share, share)
            self._render_thread.let_through()

        try:
            left_out = learn_edits(self._stage, progress)
        except GpkError as error:
            on_loop(self._told_share, 1.0)
            on_loop(self._say, "Nothing learned", str(error))
            return
        if left_out:
            on_loop(self._say, "Left out", f"The generator's codes do not vary {', '.join(left_out)}.")
        on_loop(self._learned, known_edits(self._stage))

    def _told_share(self, share: float) -> None:
        for panel in self._panels.values():
            panel.learning(share)

    def _learned(self, edits: tuple[Edit, ...]) -> None:
        self._edits = edits
        for panel in self._panels.values():
            panel.show(edits)

    def _say(self, title: str, body: str) -> None:
        for panel in self._panels.values():
            panel.say(title, body)


@contextlib.contextmanager
def serving(
    stage: Stage, *, host: str, port: int, folder: Path, tell: Callable[[str], None]
) -> Iterator[tuple[str, RenderThread]]:
    """Serves the stage inside the block: gives the page's address, and the render thread to wait for.

    Saved pictures go to `folder`, and `tell` is told of each. Raises as `check_place` does.
    """
    check_place(host, port)
    viser = _viser()
    with contextlib.ExitStack() as held:
        # viser prints a banner, and words of its own at the end: stdout is for data.
        silence = held.enter_context(Path(os.devnull).open("w"))
        held.enter_context(contextlib.redirect_stdout(silence))
        server = viser.ViserServer(host, port, label="gpk view", verbose=False)
        held.callback(server.stop)
        render_thread = held.enter_context(
            RenderThread()
        )  # ends before the server does, whose connections it writes to
        _keep_private(server)
        _furnish(server, stage)
        Viewer(server, stage, render_thread, folder, tell)
        shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
        yield f"http://{shown}:{server.get_port()}", render_thread
    stage.wear(None)


def is_own(origin: str | None, host: str, *, local: bool) -> bool:
    """Whether a page of that `origin` is this server's own, which the browser reached as `host`; programs that are no
    browsers state no origin.

    >>> is_own("http://localhost:8080", "localhost:8080", local=True), is_own("http://evil.org", "x", local=True)
    (True, False)
    """
    if local and urlsplit(f"//{host}").hostname not in LOCAL:  # a name that was made to lead here
        return False
    return origin is None or urlsplit(origin).netloc == host


def _keep_private(server: viser.ViserServer) -> None:
    """Takes out what would publish the server on the internet."""
    from viser import _messages

    for wish in (_messages.ShareUrlRequest, _messages.ShareUrlDisconnect):
        server._websock_server.unregister_handler(wish)


def _furnish(server: viser.ViserServer, stage: Stage) -> None:
    """The room: y up, the camera in front, with the generator's field of view; the panel at the side."""
    front = stage.context.generator.orbit()
    server.scene.set_up_direction("+y")
    server.initial_camera.position = (0.0, 0.0, home_distance(stage.context.generator))
    server.initial_camera.look_at = (0.0, 0.0, 0.0)
    if front is not None:
        server.initial_camera.fov = field_of_view(front.intrinsics[0, 1, 1].item())
    server.gui.configure_theme(show_logo=False, show_share_button=False, brand_color=BLUE)
    server.gui.main_panel.dock_right()


def _viser():  # noqa: ANN202 - a module
    try:
        import viser
    except ImportError as error:
        raise ExtraError("the viewer needs viser: pip install 'gpk[view]'") from error
    return viser


def _listen(host: str, port: int) -> None:
    """Listens there for a moment; raises OSError where that is impossible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    socket.create_server((host, port), family=family).close()


def _free_port(host: str, taken: int) -> int | None:
    """The first free port after `taken`; None where there is none near."""
    for port in range(taken + 1, min(taken + TRIED, 2**16)):
        with contextlib.suppress(OSError):
            _listen(host, port)
            return port
    return None
