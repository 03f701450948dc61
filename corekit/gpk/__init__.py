"""gpk: pretrained generators that know one subject.

    import gpk

    generator, persona = ..., gpk.load_persona("cat.persona.safetensors")
    with gpk.attached(generator, persona):
        picture = generator(persona.anchors[:1, None].expand(-1, generator.latent.num_ws, -1)).image

The names below are what a program or a plugin uses most; each lives in the module that tells of it, and is imported,
with torch, when it is first asked for. The core is agnostic of any generator, file, network or terminal: what reads and
writes lives in `gpk_checkpoints`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpk.album import Album as Album
    from gpk.attach import attached as attached
    from gpk.attach import merged as merged
    from gpk.attach import render_many as render_many
    from gpk.camera import Camera as Camera
    from gpk.context import Context as Context
    from gpk.errors import InputError as InputError
    from gpk.generator import Generator as Generator
    from gpk.generator import LatentSpace as LatentSpace
    from gpk.generator import Render as Render
    from gpk.generator import Site as Site
    from gpk.generator import fingerprint as fingerprint
    from gpk.hull import LatentHull as LatentHull
    from gpk.latents import anchors_as_ws as anchors_as_ws
    from gpk.lowrank import LoRA as LoRA
    from gpk.lowrank import Offset as Offset
    from gpk.persona import Origin as Origin
    from gpk.persona import Persona as Persona
    from gpk.plugin import Backend as Backend
    from gpk.plugin import Card as Card
    from gpk.plugin import hookimpl as hookimpl
    from gpk.recipe import Recipe as Recipe
    from gpk.registry import Registry as Registry

HOMES: dict[str, tuple[str, ...]] = {
    "gpk.album": ("Album",),
    "gpk.attach": ("attached", "merged", "render_many"),
    "gpk.context": ("Context",),
    "gpk.camera": ("Camera",),
    "gpk.errors": ("InputError",),
    "gpk.generator": ("Generator", "LatentSpace", "Render", "Site", "fingerprint"),
    "gpk.hull": ("LatentHull",),
    "gpk.latents": ("anchors_as_ws",),
    "gpk.lowrank": ("LoRA", "Offset"),
    "gpk.persona": ("Origin", "Persona"),
    "gpk.plugin": ("Backend", "Card", "hookimpl"),
    "gpk.recipe": ("Recipe",),
    "gpk.registry": ("Registry",),
    # Not the core's, and only named here: what reads and writes files, and the commands as functions.
    "gpk_checkpoints.personas": ("load_persona", "save_persona"),
    "gpk_checkpoints.weights": ("load_generator",),
    "gpk_runs.sheet": ("contact_sheet",),
    "gpk_cli.python": ("personalize", "pretrained"),
}
"""Where each of gpk's names lives."""
_HOME = {name: module for module, names in HOMES.items() for name in names}
__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attributes are of any type
    if name not in _HOME:
        raise AttributeError(f"module 'gpk' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return [*globals(), *_HOME]
