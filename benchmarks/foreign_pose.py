"""How far off the cameras are that gpk prepare found for a bird of docs/examples/gpk-birds (pip install it first).

    gpk birds bird --seed 1
    gpk prepare bird/raw --backend graf-birds --out album
    python benchmarks/foreign_pose.py album bird/raw.json

It prints the error of each photo in degrees, their median and the largest.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path, PurePosixPath

import torch

from gpk.camera import Camera


def labelled(file: Path) -> dict[str, Camera]:
    """Cameras by the number that a photo's name begins with."""
    labels = json.loads(file.read_text(encoding="utf-8"))["labels"]
    return {PurePosixPath(name).name[:3]: Camera.from_label(torch.tensor(label)) for name, label in labels}


def main() -> None:
    """Prints the error of each photo in degrees, their median and the largest."""
    found, true = labelled(Path(sys.argv[1]) / "dataset.json"), labelled(Path(sys.argv[2]))
    off = {name: camera.degrees_from(true[name]).item() for name, camera in found.items()}
    for name, degrees in off.items():
        print(f"{name}  {degrees:.1f}")
    print(f"median {torch.tensor(list(off.values())).quantile(0.5):.1f}, largest {max(off.values()):.1f} degrees")


if __name__ == "__main__":
    main()
