"""The tasks: what one can do with a generator, an album and a persona. Light: a task is imported when it is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from gpk.plugin import Task, hookimpl

gpk_api = 1


@hookimpl
def gpk_tasks() -> Sequence[Task]:
    """What gpk itself can do."""
    return [
        Task(
            "personalize",
            "an album into a persona: invert, tune, report",
            _later("personalize.personalize", "personalize"),
        ),
        Task(
            "synthesize",
            "new pictures of the subject, drawn at random from its hull",
            _later("synthesize", "synthesize"),
            settings=_named("synthesize", "Synthesis"),
            persona="optional",
            tiny={"count": 4},
        ),
        Task(
            "views",
            "the subject from other sides: a grid of views, their depths, a turntable",
            _later("views", "views"),
            settings=_named("views", "Views"),
            photos="optional",
            persona="optional",
            views=True,
            tiny={"yaw": (0.0, 0.2), "pitch": (0.0,), "frames": 2},
        ),
        Task(
            "mesh",
            "the subject's surface as a coloured mesh, for any 3D viewer",
            _later("mesh.mesh", "mesh"),
            settings=_named("mesh.mesh", "Meshing"),
            persona="optional",
            views=True,
            direct="The subject's surface as a coloured mesh, for any 3D viewer.",
            tiny={"resolution": 64, "level": 1.0},
        ),
        Task(
            "interpolate",
            "from one anchor of the subject to another: paths, and an animation along them",
            _later("interpolate", "interpolate"),
            settings=_named("interpolate", "Interpolation"),
            photos="optional",
            persona="optional",
            tiny={"pairs": 1, "steps": 3, "views": 2, "frames": 2},
        ),
        Task(
            "render",
            "videos of the subject: turning, or on the way from one anchor to another",
            _later("render.render", "render"),
            settings=_named("render.render", "Rendering"),
            persona="optional",
            direct="Videos of the subject: turning, and on the way from one of its photos to another.",
            tiny={"frames": 2, "side": 32, "formats": ("gif",), "grid": 2},
        ),
        Task(
            "invert",
            "new photos into codes: reconstructions, other views, pivotal tuning",
            _later("invert.invert", "invert"),
            settings=_named("invert.settings", "Location"),
            photos="some",
            persona="optional",
            tiny={"protocol": "quick", "steps": 2},
        ),
        Task(
            "restore",
            "damaged photos made whole: holes filled, pixels multiplied, colours found",
            _later("restore.restore", "restore"),
            settings=_named("restore.settings", "Restoration"),
            photos="some",
            side=_later("restore.settings", "photo_side"),
            tiny={"kind": ("colour",), "protocol": "quick", "steps": 2},
        ),
        Task(
            "edit",
            "one attribute of the subject changed, within what its album varies",
            _later("edit.edit", "edit"),
            settings=_named("edit.settings", "Editing"),
            photos="optional",
            persona="optional",
            tiny={"attribute": "red", "samples": 64, "amounts": (-1.0, 1.0)},  # of the attributes that a test has
        ),
    ]


def _later(module: str, name: str) -> Callable[..., Any]:
    """The function of that name, whose module is imported at the first call."""

    def call(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as the function takes and returns
        return getattr(import_module(f"gpk_tasks.{module}"), name)(*arguments, **options)

    call.__doc__ = f"See `gpk_tasks.{module}.{name}`."
    return call


def _named(module: str, name: str) -> Callable[[], type]:
    """What gives the class of that name, importing its module."""
    return lambda: getattr(import_module(f"gpk_tasks.{module}"), name)
