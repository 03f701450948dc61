"""How far the surface of eg3d-minicat's field is from the cats that it was trained on, at several densities.

Run:  OMP_NUM_THREADS=1 .venv/bin/python benchmarks/mesh_level.py

Cats of the prior are known exactly, as a distance field, whose surface is found by the same marching cubes. Of the
head's front (y > -0.3, z > 0), which photos show: mean distances from each surface to the other, in thousandths of a
world unit (a head is about 0.6 wide), and by how much the ears' tips are too high. Results are in docs/mesh.md.

Shapes: V vertices, Z noise width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gpk.registry import Registry
from gpk.seeding import in_parts, seeded
from gpk.solid import Matter, Solid
from gpk_checkpoints.weights import load_generator
from gpk_minicat import field
from gpk_minicat.parameters import columns, from_noise
from gpk_runs.surface import surface_of

CATS, SIDE, SAMPLES = 8, 1.35, 128
"""How many cats, the side of the box in world units, and the samples along it."""
LEVELS = (5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0)


def true_solid(z: Tensor) -> Solid:
    """The cat of noise z [1, Z], of density 1 at its surface."""
    cat = columns(from_noise(z))

    def at(points: Tensor) -> Matter:
        x, y, z = (points / field.UNIT).T[:, None]
        return Matter((1 - 10 * field.distance(field.Points(x, y, z), cat)[0]).clamp_min(0), points)

    return Solid(at, torch.tensor([[-SIDE / 2] * 3, [SIDE / 2] * 3]))


def shown(solid: Solid, level: float) -> tuple[Tensor, float]:
    """The vertices [V, 3] of the head's front, and how high the head is."""
    vertices = surface_of(solid, SAMPLES, level=level).surface.vertices
    return vertices[(vertices[:, 1] > -0.3) & (vertices[:, 2] > 0)], vertices[:, 1].max().item()


def apart(one: Tensor, other: Tensor) -> float:
    """The mean distance from points of one surface to the nearest of the other."""
    return in_parts(lambda points: torch.cdist(points, other).amin(1), one, size=512).mean().item()


def main() -> None:
    """Prints a row for each level."""
    backend = Registry.discover().backend("eg3d-minicat")
    generator = load_generator(backend, backend.card, None, device=torch.device("cpu"))
    noise = torch.randn(CATS, generator.latent.z_dim, generator=seeded(0))
    rows: dict[float, list[list[float]]] = {level: [] for level in LEVELS}
    with torch.no_grad():
        for z in noise.split(1):
            truth, top = shown(true_solid(z), 1.0)
            solid = generator.solid(generator.mapping(z))
            assert solid is not None
            for level in LEVELS:
                found, height = shown(solid.cropped(SIDE), level)
                rows[level].append([apart(found, truth), apart(truth, found), height - top])
    print("level   to the cat   from the cat   ears")
    for level, each in rows.items():
        there, back, ears = (1000 * torch.tensor(each).mean(0)).tolist()
        print(f"{level:5g} {there:12.1f} {back:14.1f} {ears:+6.0f}")


if __name__ == "__main__":
    main()
