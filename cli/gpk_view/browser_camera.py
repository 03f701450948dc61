"""A browser's camera: from which side it looks, how near it is, what its window measures.

The mouse moves it at will; the generator's views end at `limit`. So while it moves, what is shown stops there, and when
it rests the camera is put back to what is shown. In 2D all views are one.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from gpk.generator import Generator
from gpk_view.camera import CLOSEST, FRONT, TRUSTED, Angles, angles_from, position_at, zoomed

if TYPE_CHECKING:
    import viser

REST = 0.4
"""Seconds without a movement that are a rest."""
ON_ITS_WAY = 5.0
"""Seconds that a camera may take to where it is steered; until it rests there, what it tells is of before."""
START = angles_from((3.0, 3.0, 3.0))
"""Where viser's cameras begin; a slow page tells it late, and nobody turns to just there."""


class BrowserCamera:
    """The camera of `client`; `moved` is called after every change that came from there."""

    def __init__(self, client: viser.ClientHandle, generator: Generator, moved: Callable[[], None]) -> None:
        self.angles = FRONT
        self.limit = TRUSTED
        self.zoom = 1.0
        self._client, self._generator, self._moved = client, generator, moved
        self._solid = generator.orbit() is not None
        self._radius = home_distance(generator)
        self._steered_until = 0.0
        self._told, self._astray = self._tell()
        self._settling: asyncio.TimerHandle | None = None
        client.camera.min_orbit_distance, client.camera.max_orbit_distance = self._radius / CLOSEST, self._radius
        client.camera.on_update(self._follow)
        self.steer(self.angles)

    @property
    def window(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return max(1, self._client.camera.image_width), max(1, self._client.camera.image_height)

    def steer(self, angles: Angles) -> None:
        """Looks from there; called on the server's event loop."""
        self.angles = angles.within(self.limit)
        if not self._there():
            self._steered_until = asyncio.get_running_loop().time() + ON_ITS_WAY
        self._place()
        self._rest_later()

    def close(self) -> None:
        """Forgets what was to come."""
        if self._settling is not None:
            self._settling.cancel()

    async def _follow(self, camera: viser.CameraHandle) -> None:
        self._told, self._astray = self._tell()
        self.zoom = zoomed(math.hypot(*(camera.position - camera.look_at)), self._radius)
        seen = self._told.within(self.limit)
        if self._solid and not self._on_its_way() and not seen.near(self.angles):
            self.angles = seen
        self._rest_later()
        self._moved()

    def _rest_later(self) -> None:
        self.close()
        self._settling = asyncio.get_running_loop().call_later(REST, self._settle)

    def _settle(self) -> None:
        if self._there():
            self._steered_until = 0.0
        else:
            self._place()

    def _on_its_way(self) -> bool:
        """Whether the browser's camera may not have heard yet that it was steered."""
        return self._told.near(START, tolerance=1e-5) or asyncio.get_running_loop().time() < self._steered_until

    def _there(self) -> bool:
        """Whether the browser told that its camera shows these angles."""
        return not self._astray and (not self._solid or self._told.near(self.angles))

    def _tell(self) -> tuple[Angles, bool]:
        """The browser's camera as angles, and whether it looks past the centre."""
        camera = self._client.camera
        return angles_from((camera.position - camera.look_at).tolist()), math.hypot(*camera.look_at) > 1e-3

    def _place(self) -> None:
        """Puts the browser's camera where it shows these angles."""
        position = (0.0, 0.0, self._radius / self.zoom)
        if self._solid:
            position = position_at(self._generator, self.angles, zoom=self.zoom)
        with self._client.atomic():
            self._client.camera.position = position
            self._client.camera.look_at = (0.0, 0.0, 0.0)
            self._client.camera.up_direction = (0.0, 1.0, 0.0)


def home_distance(generator: Generator) -> float:
    """How far from the centre the generator's own camera is; 1 in 2D, where any distance serves."""
    return math.hypot(*position_at(generator, FRONT)) if generator.orbit() is not None else 1.0
