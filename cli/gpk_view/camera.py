r"""From the browser's camera to the generator's view, and back.

The browser orbits a camera around the world's origin, y up, as the generators' own cameras do (`gpk.camera`): from
there, a direction (x, y, z) of length r is the view of

    yaw = atan2(x, z),    pitch = -pi/2 · y/r

since a camera's height over r is cos phi = -2 pitch/pi. A generator knows the faces it was trained on from the front
and a little around: TRUSTED is where it is to be believed, ANYWHERE where a view still has an up and a down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gpk.generator import Generator
from gpk_tasks.renders import STEEPEST

Point = tuple[float, float, float]
CLOSEST = 4.0
"""How far one may zoom in: so many times."""


@dataclass(frozen=True)
class Angles:
    """Radians off the frontal view, as `Generator.orbit` takes them."""

    yaw: float = 0.0
    pitch: float = 0.0

    def within(self, most: Angles) -> Angles:
        """The nearest angles of at most ±`most`."""
        return Angles(*(max(-end, min(end, angle)) for angle, end in zip(self.pair, most.pair, strict=True)))

    def near(self, other: Angles, *, tolerance: float = 1e-3) -> bool:
        """Whether the two are the same to the eye: within `tolerance` radians each."""
        return all(abs(a - b) <= tolerance for a, b in zip(self.pair, other.pair, strict=True))

    @property
    def pair(self) -> tuple[float, float]:
        """Yaw and pitch."""
        return self.yaw, self.pitch


FRONT = Angles()
TRUSTED = Angles(0.8, 0.5)
ANYWHERE = Angles(math.pi, STEEPEST)


def angles_from(position: Sequence[float]) -> Angles:
    """The view from `position`, seen from the centre of the orbit.

    >>> angles_from((0.0, 0.0, 2.7))
    Angles(yaw=0.0, pitch=0.0)
    """
    x, y, z = (float(number) for number in position)
    radius = math.hypot(x, y, z)
    return Angles(math.atan2(x, z), -math.pi / 2 * y / radius + 0.0) if radius else FRONT  # no -0


def position_at(generator: Generator, angles: Angles, *, zoom: float = 1.0) -> Point:
    """Where the browser's camera is to be for that view of a 3D generator, `zoom` times as near as its own camera."""
    camera = generator.orbit(angles.yaw, angles.pitch)
    assert camera is not None
    x, y, z = (camera.pose[0, :3, 3] / zoom).tolist()
    return x, y, z


def zoomed(distance: float, radius: float) -> float:
    """How many times nearer than `radius` a camera at `distance` is: from 1, farther away is no view of its own."""
    return max(1.0, min(CLOSEST, radius / max(distance, 1e-6)))


def field_of_view(focal: float) -> float:
    """Radians across the picture, of a focal length in image sides."""
    return 2 * math.atan(0.5 / focal)
