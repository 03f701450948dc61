r"""Camera labels in EG3D's `dataset.json`: `{"labels": [["00000/img00000000.png", [25 numbers]], ...]}`.

The 25 numbers are 16 of the camera-to-world matrix, row by row, OpenCV axes, then 9 of the intrinsics in units of the
image side (Chan et al., 2022, arXiv 2112.07945; `gpk.camera` has the convention).

Shapes: N images.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from gpk.camera import Camera
from gpk.errors import LabelError
from gpk_checkpoints.atomic import write_atomically
from gpk_photos.contents import relative_name

LABEL_FILE = "dataset.json"
"""What the file is called."""

EXAMPLE = (
    '{"labels": [["photo1.png", [1, 0, 0, 0,  0, -1, 0, 0,  0, 0, -1, 2.7,  0, 0, 0, 1,'
    "  4.2634, 0, 0.5,  0, 4.2634, 0.5,  0, 0, 1]]]}"
)
"""A label file with one photo, seen from the front by EG3D's camera."""

HOW_TO_LABEL = (
    f"Put a {LABEL_FILE} beside the photos (or inside the zip) that gives each photo 25 numbers: 16 of the"
    " camera-to-world matrix, row by row (axes: x right, y down, z forward), then 9 of the intrinsics in units of the"
    " image side."
    f" With one photo, seen from the front: {EXAMPLE}\n"
    "Or have gpk find the cameras: `gpk prepare FOLDER --backend NAME` cuts raw photos and estimates their poses."
)

LONGEST_FOCAL = 50.0
"""Image sides: a field of view of one degree. Beyond it the intrinsics were written in pixels."""


def read_labels(path: Path) -> dict[str, Tensor]:
    """Labels [25] by image name from a label file, or from the folder that holds it.

    Raises LabelError where the file cannot be read, is none, or has a label that is no camera.
    """
    file = path / LABEL_FILE if path.is_dir() else path
    try:
        entries = parse_labels(file.read_bytes(), str(file))
    except OSError as error:
        raise LabelError(f"{file}: cannot be read: {error.strerror}. {HOW_TO_LABEL}") from error
    return {name: label_of(entry, name, str(file)) for name, entry in entries.items()}


def write_labels(directory: Path, names: Sequence[str], labels: Tensor) -> Path:
    """Writes labels [N, 25] of the images `names` as the directory's label file, whole or not at all; its path.

    Raises LabelError where there is not one camera for each, RunError where it cannot be written.
    """
    if len(names) != len(labels):
        raise LabelError(f"{len(names)} image names for {len(labels)} camera labels")
    rows: list[list[float]] = Camera.from_label(labels).label().tolist() if len(labels) else []
    pairs = [[name.replace("\\", "/"), row] for name, row in zip(names, rows, strict=True)]
    file = directory / LABEL_FILE
    write_atomically(file, [json.dumps({"labels": pairs}).encode()])
    return file


def parse_labels(content: bytes, where: str) -> dict[str, object]:
    """What the label file says of each image, unchecked; `where` names the file. Raises LabelError."""
    try:
        document = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise LabelError(f"{where} is not whole JSON ({error}). A label file looks like this: {EXAMPLE}") from error
    labels = document.get("labels") if isinstance(document, dict) else None
    if isinstance(labels, dict):
        labels = list(labels.items())
    if not isinstance(labels, list):
        raise LabelError(f'{where} has no list "labels". A label file looks like this: {EXAMPLE}')
    entries: dict[str, object] = {}
    for index, pair in enumerate(labels):
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not isinstance(pair[0], str):
            raise LabelError(f"{where}, entry {index}: not a pair of an image name and 25 numbers, as in {EXAMPLE}")
        name = relative_name(pair[0]) or pair[0]
        if entries.get(name, pair[1]) != pair[1]:
            raise LabelError(f"{where}, entry {index}: {name} is labelled twice, and differently")
        entries[name] = pair[1]
    return entries


def label_of(entry: object, name: str, where: str) -> Tensor:
    """The label [25] of the image `name` from its entry in the file `where`.

    Raises LabelError where it is no camera, its intrinsics are in pixels, or it looks away from the world's origin.
    """
    try:
        label = torch.tensor(_numbers(entry), dtype=torch.float32)
        camera = Camera.from_label(label)
    except LabelError as error:
        raise LabelError(
            f"{where}, entry {name}: {error}: mend the entry, or delete it to leave the photo out"
        ) from error
    if camera.intrinsics[0, :2].abs().max() > LONGEST_FOCAL:
        raise LabelError(f"{where}, entry {name}: the intrinsics look like pixels: divide them by the image side")
    position, forward = camera.pose[0, :3, 3], camera.pose[0, :3, 2]
    if position @ forward > 0:
        raise LabelError(
            f"{where}, entry {name}: the camera looks away from the world's origin:"
            " negate the pose's second and third column if its axes are OpenGL's (y up, z backward)"
        )
    return label


def _numbers(entry: object) -> list[float]:
    """The entry as numbers that float32 can hold."""
    if not isinstance(entry, list):
        raise LabelError(f"a camera label is a list of 25 numbers, not {json.dumps(entry)[:40]}")
    if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in entry):
        raise LabelError("a camera label has something that is not a number")
    try:
        return [float(number) for number in entry]
    except OverflowError as error:
        raise LabelError("a camera label has a number that is not finite") from error
