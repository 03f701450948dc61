"""The viewer's server: a page on this machine, a panel for every browser that opens it.

Whoever reaches the port sees and steers the viewer; so it is this machine's alone unless another host is asked for, and
the door turns away pages of other sites, which a browser would let connect to this machine too. What fails unforeseen
costs the browser that asked for it: the person is told, stderr has a line, and the others go on.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import warnings
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gpk.errors import ExtraError, GpkError, InputError, text_of
from gpk_view.browser_camera import home_distance
from gpk_view.camera import field_of_view
from gpk_view.edits import Edit, known_edits, learn_edits
from gpk_view.panel import Panel
from gpk_view.render_thread import RenderThread
from gpk_view.scene import Stage

if TYPE_CHECKING:
    import viser

    from gpk_view.door import Failed

LOCAL = ("127.0.0.1", "localhost", "::1")
"""Hosts that are this machine alone."""
TRIED = 100
"""Ports after one in use among which a free one is looked for."""
BLUE = (47, 93, 140)
MOST_TOLD = 100
"""Different errors that are told on stderr; each is told once."""


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
        *,
        tell: Callable[[str], None],
        failed: Failed,
    ) -> None:
        self._server, self._stage, self._render_thread = server, stage, render_thread
        self._folder, self._tell, self._failed = folder, tell, failed
        self._panels: dict[int, Panel] = {}
        self._edits = known_edits(stage)
        self._learning = False
        server.on_client_connect(self._welcome)
        server.on_client_disconnect(self._part)

    async def _welcome(self, client: viser.ClientHandle) -> None:
        self._panels[client.client_id] = Panel(
            client, self._stage, self._render_thread, edits=self._edits, learn=self._learn, folder=self._folder,
            tell=self._tell, failed=self._failed,
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
        except InterruptedError:  # the viewer ends
            raise
        except Exception as error:
            on_loop(self._told_share, 1.0)
            on_loop(self._say, "Nothing learned", text_of(error))
            if not isinstance(error, GpkError):
                self._failed(error)
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
    stage: Stage,
    *,
    host: str,
    port: int,
    folder: Path,
    tell: Callable[[str], None],
    origins: Collection[str] = (),
) -> Iterator[tuple[str, RenderThread]]:
    """Serves the stage inside the block: gives the page's address, and the render thread to wait for.

    Saved pictures go to `folder`, and `tell` is told of each, and of errors. `origins` are other addresses by which
    browsers reach it. Raises as `check_place` and `checked_origin` do.
    """
    check_place(host, port)
    viser = _viser()
    from gpk_view.door import Door, checked_origin, guarding

    failed = _telling(tell)
    door = Door(host, frozenset(map(checked_origin, origins)))
    with contextlib.ExitStack() as held:
        # viser prints a banner, and words of its own at the end: stdout is for data.
        silence = held.enter_context(Path(os.devnull).open("w"))
        held.enter_context(contextlib.redirect_stdout(silence))
        # A browser may leave while its picture is drawn.
        held.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", "Queued a .* on a closed connection", UserWarning)
        with guarding(door, failed):
            server = viser.ViserServer(host, port, label="gpk view", verbose=False)
        held.callback(server.stop)
        server.get_event_loop().set_exception_handler(
            lambda loop, said: failed(said.get("exception") or RuntimeError(said["message"]))
        )
        render_thread = held.enter_context(
            RenderThread()
        )  # ends before the server does, whose connections it writes to
        _furnish(server, stage)
        Viewer(server, stage, render_thread, folder, tell=tell, failed=failed)
        shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
        yield f"http://{shown}:{server.get_port()}", render_thread
    stage.wear(None)


def _telling(tell: Callable[[str], None]) -> Failed:
    """Tells of errors, in a line each, and of the same once: a mouse asks for many pictures."""
    told: set[str] = set()

    def failed(error: BaseException) -> None:
        first = text_of(error).partition("\n")[0][:300]
        line = f"The viewer goes on after an error: {type(error).__name__}: {first}"
        if line not in told and len(told) < MOST_TOLD:
            told.add(line)
            tell(line)

    return failed


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
