r"""The subject's surface as a coloured mesh: where its density crosses a level.

    level = ln 2 / l:   light that goes a length l at this density is half gone

The default, 20, is l = 0.035: on the embedded prior, whose true cats are known (`docs/mesh.md`), lower levels are too
fat, and at higher ones the ears' tips go. A vertex has the colour of the field where it ends up, decimated or not. How
far the frontal view of the mesh is from the generator's own, in depth and in colour, is measured for each.

Shapes: V vertices, L latent layers, D latent width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from gpk.context import Context
from gpk.errors import InputError
from gpk.logger import Run
from gpk.pixels import from_bytes
from gpk.plugin import option
from gpk.seeding import in_parts
from gpk_runs.mesh import write_glb, write_ply
from gpk_runs.sheet import write_sheet
from gpk_runs.surface import AT_ONCE, Surface, Tick, decimated, measures, surface_of
from gpk_tasks.codes import codes_of, picked
from gpk_tasks.keeping import kept
from gpk_tasks.mesh.likeness import SIDE, TURNS, Apart, apart, portraits
from gpk_tasks.renders import orbit
from gpk_tasks.shots import Shots, as_bytes

CROP = 0.9
"""Of the generator's box: towards its faces planes fade out, and no camera has looked there."""
FIGURES = ("vertices", "faces", "open edges", "dropped pieces", "dropped area", "volume", "wide", "high", "deep")
"""What is told of a mesh, lengths in world units. An edge is open that does not join two triangles: a watertight mesh
has none.
"""
COUNTS = FIGURES[:4]
WRITERS = {".glb": write_glb, ".ply": write_ply}


@dataclass(frozen=True)
class Meshing:
    """Which codes, how finely, and in which files. Raises InputError for what cannot be."""

    anchors: tuple[int, ...] = option((0,), "Which anchors, counted from 0, such as 0,3; with --codes, which of those.")
    codes: Path | None = option(None, "Instead of anchors: a file of codes, .npy, .npz, .pt or .safetensors.")
    resolution: int = option(256, "Samples along each side of the box, from 64 to 512: time and memory go by its cube.")
    level: float = option(20.0, "Density at which the surface is: lower is fatter, higher loses what is thin.")
    side: float | None = option(None, "Edges of the box, in world units [default: 0.9 of the generator's].")
    pieces: int = option(1, "The largest pieces to keep: more than 1 for a subject that does not hang together.")
    faces: int = option(0, "Triangles to keep, at least 100; 0 for all.")
    format: Literal["glb", "ply", "both"] = option("glb", "GLB for viewers and games, PLY for geometers.")

    def __post_init__(self) -> None:
        if not 64 <= self.resolution <= 512:
            raise InputError(f"resolution must be from 64 to 512, not {self.resolution}")
        if not self.level > 0 or not (self.side is None or self.side > 0):
            raise InputError(f"level and side must be above 0, not {self.level} and {self.side}")
        if self.pieces < 1:
            raise InputError(f"pieces must be at least 1, not {self.pieces}")
        if self.faces and self.faces < 100:
            raise InputError(f"faces must be 0 for all of them, or at least 100, not {self.faces}")
        if not self.anchors:
            raise InputError("a mesh is of at least one anchor or code: name one")


def mesh(context: Context, settings: Meshing, run: Run) -> Mapping[str, Any]:
    """Writes a GLB or PLY for each code, and `mesh.png` that shows them. Meshes that are done are kept.

    Returns the `FIGURES` of each mesh, and how far its frontal view is from the generator's own (`likeness.Apart`).
    Raises InputError for a generator without a field, or where it is nowhere dense enough.
    """
    cameras = orbit(context, list(TURNS.values()), [0.0] * len(TURNS))
    codes, kind = codes_of(context, settings.codes)
    w = picked(codes, settings.anchors, kind)
    names = [f"{kind} {number}" for number in settings.anchors]
    formats = ("glb", "ply") if settings.format == "both" else (settings.format,)
    files = [[f"{name.replace(' ', '-')}.{form}" for form in formats] for name in names]
    shots = Shots(w, run.load_state())
    with context.personalized() as generator, kept(run) as tick, torch.no_grad():
        for index in range(shots.done, len(w)):
            row = w[index : index + 1]

            def layers(done: int, of: int, before: int = index) -> None:
                context.logger.progress("surface", before * of + done, len(w) * of, {})
                tick(shots.state)

            surface, colours, figures = meshed(context, row, settings, layers)
            for name in files[index]:
                WRITERS[Path(name).suffix](run.directory / name, surface, colours)
            front = next(iter(generator.views(row, cameras[:1].to(w.device))))
            figures = [*figures, *apart(surface, colours, front, cameras[0])]
            shots.add(
                figures=torch.tensor([figures], dtype=torch.float64),
                portraits=as_bytes(portraits(surface, colours, front, cameras), SIDE)[None],
            )
            tick(shots.state)
    title = f"{context.backend.name} · surface at density {settings.level:g}"
    shown = from_bytes(shots.rows("portraits")).flatten(0, 1).split(1 + len(TURNS))
    captions = [caption for name in names for caption in (name, "shape")]
    write_sheet(
        run.directory / "mesh.png", [list(row) for row in shown],
        columns=["picture", *TURNS], captions=captions, title=title, side=SIDE,
    )  # fmt: skip
    return {
        "figures": dict(zip(names, map(_told, shots.rows("figures").tolist()), strict=True)),
        "pictures": ["mesh.png"],
        "files": [name for each in files for name in each],
    }


def meshed(context: Context, w: Tensor, settings: Meshing, tick: Tick) -> tuple[Surface, Tensor, list[float]]:
    """The surface of one code w [1, L, D], its vertices' colours [V, 3] in [-1, 1], and its `FIGURES`.

    Raises InputError for a generator without a field, or where it is nowhere dense enough.
    """
    solid = context.generator.solid(w)
    if solid is None:
        raise InputError(f"{context.backend.name} has views and no field behind them: no surface can be found in it")
    side = float((solid.box[1] - solid.box[0]).amax()) * CROP if settings.side is None else settings.side
    solid = solid.cropped(side)
    found = surface_of(solid, settings.resolution, level=settings.level, pieces=settings.pieces, tick=tick)
    surface = decimated(found.surface, settings.faces) if settings.faces else found.surface
    colours = in_parts(lambda points: solid.at(points).colour, surface.vertices.to(solid.box), size=AT_ONCE)
    edges, volume, extent = measures(surface)
    figures = [len(surface.vertices), len(surface.faces), edges, found.others, found.share, volume, *extent]
    return surface, colours.float().cpu(), figures


def _told(row: Sequence[float]) -> dict[str, float]:
    """A mesh's figures by name: counts as whole numbers, and none that could not be measured."""
    named = dict(zip((*FIGURES, *Apart._fields), row, strict=True))
    return {
        name.replace("_", " "): int(value) if name in COUNTS else value
        for name, value in named.items()
        if math.isfinite(value)
    }
