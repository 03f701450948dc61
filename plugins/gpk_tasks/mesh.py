r"""The subject's surface as a coloured mesh: where its density crosses a level.

    level = ln 2 / l:   light that goes a length l at this density is half gone

The default, 20, is l = 0.035: of what was tried on the embedded prior (`docs/mesh.md`) the densest that keeps the ears'
tips. A lower level is fatter and whole, a higher one truer to the depth of the picture and full of holes. A vertex has
the colour of the field where it ends up, decimated or not. How far the frontal view of the mesh is from the generator's
own, in depth and in colour, is measured for each.

Shapes: N codes, n samples along a side, V vertices, C columns of figures, L latent layers, D latent width, r side of the
raw picture and the depth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from corekit.album import resize
from corekit.bench import Bench, Run
from corekit.camera import Camera
from corekit.errors import InputError
from corekit.generator import Render
from corekit.order import in_parts
from corekit.plugin import option
from corekit.solid import Solid
from gpk_runs.mesh import write_glb, write_ply
from gpk_runs.raster import seen
from gpk_runs.sheet import write_sheet
from gpk_runs.surface import AT_ONCE, Found, Surface, decimated, measures, surface_of
from gpk_tasks.codes import codes_of, picked
from gpk_tasks.keeping import kept
from gpk_tasks.renders import orbit
from gpk_tasks.shots import Shots, as_bytes, as_pictures
from gpk_tasks.views import greys

CROP = 0.9
"""Of the generator's box: towards its faces planes fade out, and what is there no camera has looked at."""
TURNS = {"front": 0.0, "three quarters": 0.7, "side": math.pi / 2}
"""From where the mesh is shown, in radians of yaw."""
SIDE = 256
"""Pixels of a picture of the sheet."""
PAPER = 0.97
FIGURES = (
    "vertices", "faces", "open edges", "dropped pieces", "dropped area", "volume", "wide", "high", "deep", "off in depth",
    "off in colour",
)  # fmt: skip
"""What is told of a mesh; lengths in world units. An edge is open that does not join two triangles: watertight has none."""
COUNTS = FIGURES[:4]
WRITERS = {".glb": write_glb, ".ply": write_ply}


@dataclass(frozen=True)
class Meshing:
    """Which codes, how finely, and in which files."""

    anchors: tuple[int, ...] = option((0,), "Which anchors, counted from 0, such as 0,3; with --codes, which of those.")
    codes: Path | None = option(None, "Instead of anchors: a task's codes.safetensors.")
    resolution: int = option(256, "Samples along each side of the box, from 64 to 512: time and memory go by its cube.")
    level: float = option(20.0, "Density at which the surface is: lower is fatter, higher loses what is thin.")
    side: float | None = option(None, "Edges of the box, in world units [default: 0.9 of the generator's].")
    faces: int = option(0, "Triangles to keep, at least 100; 0 for all.")
    format: Literal["glb", "ply", "both"] = option("glb", "GLB for viewers and games, PLY for geometers.")

    def __post_init__(self) -> None:
        if not 64 <= self.resolution <= 512:
            raise InputError(f"resolution must be from 64 to 512, not {self.resolution}")
        if not self.level > 0 or not (self.side is None or self.side > 0):
            raise InputError(f"level and side must be above 0, not {self.level} and {self.side}")
        if self.faces and self.faces < 100:
            raise InputError(f"faces must be 0 for all of them, or at least 100, not {self.faces}")
        if not self.anchors:
            raise InputError("a mesh is of at least one anchor or code: name one")


def mesh(bench: Bench, settings: Meshing, run: Run) -> Mapping[str, Any]:
    """Writes a GLB or PLY for each code, and `mesh.png` that shows them. Meshes that are done are kept.

    Returns of each mesh counts and sizes, in world units, and how far its frontal view is from the generator's own
    (`difference`). Raises InputError for a generator without a field, or where it is nowhere dense enough.
    """
    cameras = orbit(bench, list(TURNS.values()), [0.0] * len(TURNS))
    codes, kind = codes_of(bench, settings.codes)
    w = picked(codes, settings.anchors, kind)
    names = [f"{kind} {number}" for number in settings.anchors]
    formats = ("glb", "ply") if settings.format == "both" else (settings.format,)
    files = [[f"{name.replace(' ', '-')}.{form}" for form in formats] for name in names]
    shots = Shots(w, run.load_state())
    with bench.personalized() as generator, kept(run) as tick, torch.no_grad():
        for index in range(shots.done, len(w)):
            row = w[index : index + 1]
            solid = field_of(bench, row, settings.side)

            def layers(done: int, of: int, before: int = index) -> None:
                bench.journal.progress("surface", before * of + done, len(w) * of, {})
                tick(shots.state)

            found = surface_of(solid, settings.resolution, level=settings.level, tick=layers)
            surface = decimated(found.surface, settings.faces) if settings.faces else found.surface
            colours = in_parts(lambda points, of=solid: of.at(points).colour, surface.vertices.to(w), size=AT_ONCE)
            colours = colours.float().cpu()
            for name in files[index]:
                WRITERS[Path(name).suffix](run.directory / name, surface, colours)
            front = next(iter(generator.views(row, cameras[:1].to(w.device))))
            figures = [*figures_of(found, surface), *difference(surface, colours, front, cameras[0])]
            shots.add(
                figures=torch.tensor([figures], dtype=torch.float64),
                portraits=as_bytes(portraits(surface, colours, front, cameras), SIDE)[None],
            )
            tick(shots.state)
    title = f"{bench.backend.name} · surface at density {settings.level:g}"
    rows = [list(row) for row in as_pictures(shots.rows("portraits")).flatten(0, 1).split(1 + len(TURNS))]
    captions = [caption for name in names for caption in (name, "shape")]
    write_sheet(
        run.directory / "mesh.png", rows, columns=["picture", *TURNS], captions=captions, title=title, side=SIDE
    )
    told = {
        name: dict(zip(FIGURES, row.tolist(), strict=True))
        for name, row in zip(names, shots.rows("figures"), strict=True)
    }
    return {
        "figures": {name: {k: int(v) if k in COUNTS else v for k, v in row.items()} for name, row in told.items()},
        "pictures": ["mesh.png"],
        "files": [name for each in files for name in each],
    }


def field_of(bench: Bench, w: Tensor, side: float | None) -> Solid:
    """The matter of one code w [1, L, D] in the middle of the generator's box; InputError where it has none."""
    solid = bench.generator.solid(w)
    if solid is None:
        raise InputError(f"{bench.backend.name} has views and no field behind them, so no surface can be found")
    return solid.cropped(float((solid.box[1] - solid.box[0]).amax()) * CROP if side is None else side)


def figures_of(found: Found, surface: Surface) -> list[float]:
    """All of `FIGURES` but the last two, of the `surface` that became of what was `found`."""
    edges, volume, extent = measures(surface)
    return [len(surface.vertices), len(surface.faces), edges, found.others, found.share, volume, *extent]


def difference(surface: Surface, colours: Tensor, front: Render, camera: Camera) -> tuple[float, float]:
    """How far what `camera` sees of the surface is from the render of it: the median difference of depth in world units,
    and the mean one of the raw picture's colours, of 1 between black and white. What only one of them shows, and where
    the depth is behind all of the surface, is left out.
    """
    assert front.depth is not None
    raw = front.image if front.raw is None else front.raw
    values = torch.cat([surface.vertices, colours], 1)
    mixed, there = seen(surface.vertices, surface.faces, values, camera, front.depth.shape[-1])
    where, hue = mixed[:3], mixed[3:]
    far = (where - camera.pose[0, :3, 3, None, None].to(where)).norm(dim=0, keepdim=True)
    depth = front.depth[0].float().cpu()
    both = there & (depth < (surface.vertices - camera.pose[0, :3, 3].to(where)).norm(dim=1).max())
    if not both.any():
        return math.nan, math.nan
    off = (hue - resize(raw.float(), hue.shape[-1])[0].cpu()).abs().mean(0, keepdim=True) / 2
    return (far - depth).abs()[both].median().item(), off[both].mean().item()


def portraits(surface: Surface, colours: Tensor, front: Render, cameras: Camera) -> Tensor:
    """Pictures [2 (1 + len(cameras)), 3, R, R] of the surface: its colours after the generator's picture, then its shape
    in grey after the generator's depth.
    """
    values = torch.cat([colours, surface.normals], 1)
    rows: tuple[list[Tensor], list[Tensor]] = ([], [])
    for camera in (cameras[i] for i in range(len(cameras))):
        mixed, there = seen(surface.vertices, surface.faces, values, camera, 2 * SIDE)
        light = F.normalize(camera.pose[0, :3, :3].to(values) @ values.new_tensor([-0.4, -0.6, -1.0]), dim=0)
        shade = (F.normalize(mixed[3:], dim=0) * light[:, None, None]).sum(0).clamp_min(0)
        for row, picture in zip(rows, (mixed[:3], (1.6 * shade - 0.8).expand(3, -1, -1)), strict=True):
            row.append(resize(torch.where(there, picture, PAPER)[None], SIDE))
    assert front.depth is not None
    flat = greys(front.depth.float().cpu()).expand(-1, 3, -1, -1)
    own = (resize(picture, SIDE) for picture in (front.image.float().cpu(), flat))
    return torch.cat([next(own), *rows[0], next(own), *rows[1]])
