r"""The surface of a solid: where its density crosses a level, as triangles.

Densities on a grid go through marching cubes (Lewiner et al., 2003), and of what is found the largest pieces are kept.
The grid's outermost samples count as empty, so that a solid which goes on beyond the box is capped at its faces and
the surface is closed. scikit-image, trimesh and fast-simplification, an optional extra, do the work.

Shapes: n samples along a side of the box, k layers at once, V vertices, F triangles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gpk.errors import ExtraError, InputError
from gpk.seeding import parts
from gpk.solid import Solid

AT_ONCE = 1 << 17
"""Points that a solid is asked about together."""

Tick = Callable[[int, int], None]
"""What is told how many layers are done, and of how many."""


class Surface(NamedTuple):
    """Triangles `faces` [F, 3] between `vertices` [V, 3] in world units, counterclockwise from outside, and unit
    `normals` [V, 3] that point there.
    """

    vertices: Tensor
    faces: Tensor
    normals: Tensor


class Found(NamedTuple):
    """The largest pieces of a surface; of the others, how many there were and their share of the whole area."""

    surface: Surface
    others: int
    share: float


class Measures(NamedTuple):
    """`edges` that do not join two triangles: none where the surface is watertight; the `volume` inside, which means
    something only then, and the `extent` along x, y and z, in world units.
    """

    edges: int
    volume: float
    extent: tuple[float, float, float]


def surface_of(solid: Solid, n: int, *, level: float, pieces: int = 1, tick: Tick = lambda done, of: None) -> Found:
    """The surface at density `level` in the solid's box, on a grid of n samples a side, 4 bytes each: its largest
    `pieces`.

    Raises InputError where nothing is that dense, ExtraError without the extra.
    """
    measure, trimesh = _library("skimage.measure"), _library("trimesh")
    volume = torch.empty(n, n, n)
    for layers, density in densities(solid, n):
        volume[layers] = density
        tick(layers.stop, n)
    if not volume.max() > level:
        told = f"the densest point has {volume.max():.3g}: lower the level, or look at more of the box"
        raise InputError(f"no surface at a density of {level:g}, since {told}")
    spacing = ((solid.box[1] - solid.box[0]) / (n - 1)).tolist()
    vertices, faces, _, _ = measure.marching_cubes(volume.numpy(), level, spacing=spacing, gradient_direction="ascent")
    del volume
    mesh = trimesh.Trimesh(vertices + solid.box[0].cpu().numpy(), faces, process=False)
    piece = torch.from_numpy(
        trimesh.graph.connected_component_labels(mesh.face_adjacency, node_count=len(mesh.faces))
    ).long()
    areas = torch.bincount(piece, weights=torch.tensor(mesh.area_faces))
    largest = areas.argsort(descending=True, stable=True)[:pieces]
    mesh.update_faces(torch.isin(piece, largest).numpy())
    mesh.remove_unreferenced_vertices()
    return Found(_surface(mesh), len(areas) - len(largest), float(1 - areas[largest].sum() / areas.sum()))


def densities(solid: Solid, n: int) -> Iterator[tuple[slice, Tensor]]:
    """Densities [k, n, n] by (x, y, z) of layers of a grid from face to face of the box, some after the others; on the
    faces they are 0.
    """
    low, high = solid.box
    x, y, z = (torch.linspace(float(a), float(b), n, device=low.device) for a, b in zip(low, high, strict=True))
    inner = torch.zeros(n, n, dtype=torch.bool)
    inner[1:-1, 1:-1] = True
    for layers in parts(n, max(1, AT_ONCE // n**2)):
        with torch.no_grad():
            density = solid.at(torch.cartesian_prod(x[layers], y, z)).density
        density = torch.where(inner, density.float().cpu().unflatten(0, (-1, n, n)), 0)
        for face in {0, n - 1} & set(range(layers.start, layers.stop)):
            density[face - layers.start] = 0
        yield layers, density


def decimated(surface: Surface, faces: int) -> Surface:
    """The surface with about `faces` triangles, by quadric errors (Garland & Heckbert, 1997); as it is where it has no
    more.

    Raises ExtraError without the extra.
    """
    if len(surface.faces) <= faces:
        return surface
    _library("fast_simplification")
    return _surface(_mesh(surface).simplify_quadric_decimation(face_count=faces))


def measures(surface: Surface) -> Measures:
    """How large the surface is, and whether it is closed; raises ExtraError without the extra."""
    mesh = _mesh(surface)
    edges = torch.tensor(mesh.edges_sorted).unique(dim=0, return_counts=True)[1]
    x, y, z = mesh.extents.tolist()
    return Measures(int((edges != 2).sum()), float(mesh.volume), (x, y, z))


def _mesh(surface: Surface) -> Any:  # noqa: ANN401 - a trimesh.Trimesh, which is optional
    return _library("trimesh").Trimesh(surface.vertices.numpy(), surface.faces.numpy(), process=False)


def _surface(mesh: Any) -> Surface:  # noqa: ANN401 - as above
    vertices, faces, normals = (torch.tensor(part) for part in (mesh.vertices, mesh.faces, mesh.vertex_normals))
    return Surface(vertices.float(), faces.long(), normals.float())


def _library(name: str) -> Any:  # noqa: ANN401 - as above
    try:
        return import_module(name)
    except ImportError as error:
        told = "a mesh needs scikit-image, trimesh and fast-simplification"
        raise ExtraError(f"{told}: pip install 'gpk[mesh]'") from error
