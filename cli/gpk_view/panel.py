"""What one browser has: a panel of its own, a camera of its own, and the newest picture of what they ask for.

Shapes: R image side.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from gpk.errors import GpkError, RunError, text_of
from gpk.hull import LatentHull
from gpk_checkpoints.atomic import write_atomically
from gpk_runs.pictures import png, to_image
from gpk_runs.sheet import contact_sheet
from gpk_view.browser_camera import BrowserCamera
from gpk_view.edits import Edit, can_learn
from gpk_view.frame import frame
from gpk_view.render_thread import Job, RenderThread
from gpk_view.scene import Look, Stage
from gpk_view.sections import Edits, Hull, Own, Section, Turn, Who, press

if TYPE_CHECKING:
    import viser

    from gpk_view.door import Failed

QUALITY = 90
"""Of the JPEGs on the way to the browser."""
SHEET = 256
"""Pixels of a picture on a sheet of two."""


class Panel:
    """The panel of `client`. Its own code runs on the server's event loop, and the drawing on the render thread."""

    def __init__(
        self,
        client: viser.ClientHandle,
        stage: Stage,
        render_thread: RenderThread,
        *,
        edits: tuple[Edit, ...],
        learn: Callable[[], None],
        folder: Path,
        tell: Callable[[str], None],
        failed: Failed,
    ) -> None:
        self._client, self._stage, self._render_thread = client, stage, render_thread
        self._folder, self._tell, self._failed = folder, tell, failed
        self._asked: object = None
        self._gone = False
        self._persona = next(iter(stage.personas), None)
        generator, gui = stage.context.generator, client.gui
        self._camera = BrowserCamera(client, generator, self._moved)
        solid = generator.orbit() is not None
        gui.add_markdown(f"**{stage.context.backend.name}** · {'drag to turn, ' if solid else ''}scroll to zoom")
        self._who = Who(gui, list(stage.personas), self._chosen) if stage.personas else None
        self._turn = Turn(gui, self._camera, self.ask) if solid else None
        self._hull = Hull(gui, self._current_hull, self.ask) if self._who else None
        own = Own(gui, self.ask) if self._who is None else None
        self._edits = Edits(
            gui, edits, self.ask, learn=learn if can_learn(stage.context) else None, subject=self._who is not None
        )
        parts: tuple[Section | None, ...] = (self._who, self._turn, self._hull, own, self._edits)
        self._sections = [part for part in parts if part is not None]
        save = gui.add_button("Save picture", hint=f"As a PNG that says it is synthetic, in {folder}.")
        download = gui.add_button("Download picture", color="gray", hint="The same PNG, to where this browser is.")
        press(save, lambda: self._have(self._save, self._look()))
        press(download, lambda: self._have(self._send, self._look()))
        self.ask()

    def ask(self) -> None:
        """Asks for the picture of what is set now, if it is not the one that was asked for last."""
        wanted = (self._look(), *self._camera.window, self._camera.zoom)
        if wanted != self._asked:
            self._asked = wanted
            self._render_thread.ask(self._client.client_id, self._told(lambda: self._draw(*wanted)))

    def learning(self, share: float) -> None:
        """Shows how far learning the edits is."""
        self._edits.learning(share)

    def show(self, edits: tuple[Edit, ...]) -> None:
        """Adds the edits that are new."""
        self._edits.show(edits)

    def say(self, title: str, body: str) -> None:
        """Tells the person in front of the browser something."""
        self._client.add_notification(title, body, auto_close_seconds=8.0)

    def close(self) -> None:
        """Ends what was to come: the browser is gone."""
        self._gone = True
        self._camera.close()
        self._render_thread.forget(self._client.client_id)

    def _look(self) -> Look:
        look = Look()
        for part in self._sections:
            look = part.applied(look)
        return look

    def _current_hull(self) -> LatentHull:
        assert self._who is not None
        return self._stage.hull(self._who.persona)

    def _moved(self) -> None:
        if self._turn is not None:
            self._turn.follow()
        self.ask()

    def _chosen(self) -> None:
        """Another persona, or another generator, was chosen."""
        look = self._look()
        if self._hull is not None and look.persona != self._persona:
            self._persona = look.persona
            self._hull.start()
        self.ask()

    def _have(self, work: Callable[[Look], None], look: Look) -> None:
        self._render_thread.ask((self._client.client_id, work.__name__), self._told(lambda: work(look)))

    def _told(self, work: Job) -> Job:
        """`work`, whose errors are told to the person who asked for it."""

        def job() -> None:
            if self._gone:
                return
            try:
                work()
            except Exception as error:  # whatever it is, it costs who asked for it alone
                self.say("That did not work", text_of(error))
                if not isinstance(error, GpkError):
                    self._failed(error)

        return job

    # On the render thread.

    def _draw(self, look: Look, width: int, height: int, zoom: float) -> None:
        shown = frame(self._stage.pictures(look), width, height, zoom=zoom).numpy()
        if self._gone:
            return
        self._client.scene.set_background_image(shown, format="jpeg", jpeg_quality=QUALITY)
        self._client.flush()

    def _save(self, look: Look) -> None:
        with new_file(self._folder, self._name(look)) as file:
            write_atomically(file, [png_of(self._stage.pictures(look))])
        self._tell(f"Saved {file}")
        self.say("Saved", str(file))

    def _send(self, look: Look) -> None:
        content = png_of(self._stage.pictures(look))
        self._client.send_file_download(f"{self._name(look)}.png", content, save_immediately=True)

    def _name(self, look: Look) -> str:
        return (look.persona or self._stage.context.backend.name).replace("/", "-")


@contextlib.contextmanager
def new_file(folder: Path, name: str) -> Iterator[Path]:
    """The first of `name`-001.png, `name`-002.png, … that is not there, to be written in the block: it is made at once,
    empty, so that nobody else takes the name. Raises RunError where that is impossible.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = next(file for number in count(1) if _made(file := folder / f"{name}-{number:03}.png"))
    except OSError as error:
        raise RunError(f"cannot write to {folder}: {error.strerror or error}: give another --out") from error
    try:
        yield file
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def _made(file: Path) -> bool:
    """Whether the file was not there, and now is."""
    try:
        file.open("x").close()
    except FileExistsError:
        return False
    return True


def png_of(pictures: Tensor) -> bytes:
    """One picture [1, 3, R, R] as it is, or two as a sheet that tells which is which."""
    if len(pictures) == 1:
        return png(to_image(pictures[0]))
    side = max(SHEET, pictures.shape[-1])
    return png(contact_sheet([list(pictures)], columns=("pretrained", "personalized"), side=side))
