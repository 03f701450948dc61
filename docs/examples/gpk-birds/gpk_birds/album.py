"""Albums of one bird, with marks that no code says: photographs with cameras, and raw ones without."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from gpk.camera import Camera
from gpk_birds.bird import NAMES, Marks, photographs
from gpk_birds.field import FOCAL, RADIUS


def photograph(folder: Path, *, seed: int, photos: int) -> None:
    """Writes folder/train and folder/held-out with EG3D's dataset.json, and folder/raw, larger and without cameras:
    these are in folder/raw.json, to compare with.
    """
    rng = torch.Generator().manual_seed(seed)
    bird = torch.randn(1, len(NAMES), generator=rng)
    colours = torch.rand(2, 3, generator=rng).tolist()
    marks = Marks(collar=tuple(colours[0]), patch=tuple(colours[1]))
    for name, count, side, labelled in (
        ("train", photos, 48, True),
        ("held-out", max(photos // 2, 1), 48, True),
        ("raw", photos, 128, False),
    ):
        yaw, pitch = ((torch.rand(count, generator=rng) * 2 - 1) * most for most in (0.7, 0.35))
        cameras = Camera.orbit(yaw, pitch, radius=RADIUS, focal=FOCAL)
        labels = folder / name / "dataset.json" if labelled else folder / f"{name}.json"
        write(folder / name, photographs(bird, cameras, side, marks), cameras, labels)


def write(folder: Path, pictures: Tensor, cameras: Camera, labels: Path) -> None:
    """Pictures [N, 3, R, R] in [-1, 1] as PNG files, and the labels of their cameras in a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{index:03d}.png" for index in range(len(pictures))]
    for name, picture in zip(names, ((pictures + 1) * 127.5).round().clamp(0, 255).byte(), strict=True):
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(folder / name)
    told = [list(pair) for pair in zip(names, cameras.label().tolist(), strict=True)]
    labels.write_text(json.dumps({"labels": told}))
