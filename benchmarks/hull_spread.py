"""How far from the anchors' mean random points of a hull lie, by beta and by how many anchors a point mixes.

    python benchmarks/hull_spread.py PERSONA...

A row a persona: the points' mean distance from the anchors' mean in W, in units of the anchors' own.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from gpk.hull import LatentHull
from gpk.latents import anchors_as_ws
from gpk.seeding import seeded
from gpk_checkpoints.personas import load_persona

BETAS = (0.0, 0.03, 0.1)
POINTS = 2000


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("persona", type=Path, nargs="+")
    print("anchors  mixed  " + "  ".join(f"beta {beta:g}" for beta in BETAS))
    for file in parser.parse_args().persona:
        anchors = anchors_as_ws(load_persona(file).anchors, 1)
        middle = anchors.mean(0)
        own = (anchors - middle).flatten(1).norm(dim=1).mean()
        for corners in (3, len(anchors)):
            told = []
            for beta in BETAS:
                hull = LatentHull(anchors, beta=beta)
                points = hull.points(hull.sample(POINTS, seeded(0), corners=corners))
                told.append(f"{((points - middle).flatten(1).norm(dim=1).mean() / own).item():.2f}")
            print(f"{len(anchors):7}  {corners:5}  " + "  ".join(told))


if __name__ == "__main__":
    main()
