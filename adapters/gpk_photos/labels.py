r"""Camera labels in EG3D's `dataset.json`: `{"labels": [["00000/img00000000.png", [25 numbers]], ...]}`.

The 25 numbers are 16 of the camera-to-world matrix, row by row, OpenCV axes, then 9 of the intrinsics in units of the
image side (Chan et al., 2022, arXiv 2112.07945; `gpk.camera` has the convention).

Shapes: N images.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from gpk.camera import Camera
from gpk.errors import LabelError
from gpk_checkpoints.atomic import write_atomically
from gpk_checkpoints.budget import Budget, parse_json, read_file
from gpk_checkpoints.sniffed import require_text
from gpk_photos.contents import relative_name
from gpk_photos.plausible import checked
from gpk_photos.table import short

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

LARGEST = 2**27
"""Bytes of a label file: EG3D's of FFHQ, 140,000 images, has up to 100 MB."""
MOST_VALUES = 5 * 2**20
"""Values in a label file: that of FFHQ has 3.9 million."""


class NoLabelsError(LabelError):
    """The label file says itself that its images have no labels."""


def read_labels(path: Path, labels_as: str | None = None) -> dict[str, Tensor]:
    """Labels [25] by image name from a label file, or from the folder that holds it, after the turns `labels_as`.

    Raises LabelError where the file cannot be read, is none, or has a label that is no camera.
    """
    return checked(stated_labels(path), str(_file(path)), labels_as=labels_as)[0]


def stated_labels(path: Path) -> dict[str, Tensor]:
    """Labels [25] as they are stated, in whatever convention. Raises LabelError as `read_labels` does."""
    file = _file(path)
    try:
        require_text(file, f"A label file looks like this: {EXAMPLE}", LabelError)
        entries = parse_labels(read_file(file, LARGEST, LabelError), str(file))
    except OSError as error:
        raise LabelError(f"{file}: cannot be read: {error.strerror}. {HOW_TO_LABEL}") from error
    return {name: label_of(entry, name, str(file)) for name, entry in entries.items()}


def _file(path: Path) -> Path:
    return path / LABEL_FILE if path.is_dir() else path


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
        document = parse_json(content, Budget(where, LabelError, items=MOST_VALUES, size=LARGEST))
    except ValueError as error:
        raise LabelError(f"{where} is not whole JSON ({error}). A label file looks like this: {EXAMPLE}") from error
    labels = document.get("labels") if isinstance(document, dict) else None
    if isinstance(document, dict) and "labels" in document and labels is None:
        raise NoLabelsError(
            f'{where} says that its images have no labels ("labels": null), which will do for a 2D generator; this one'
            f" needs each photo's camera. {HOW_TO_LABEL}"
        )
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
            raise LabelError(f"{where}, entry {index}: {short(name)} is labelled twice, and differently")
        entries[name] = pair[1]
    return entries


def label_of(entry: object, name: str, where: str) -> Tensor:
    """The label [25] of the image `name` from its entry in the file `where`. Raises LabelError where it is none."""
    try:
        label = torch.tensor(_numbers(entry), dtype=torch.float32)
        Camera.from_label(label)
    except LabelError as error:
        raise LabelError(
            f"{where}, entry {short(name)}: {error}: mend the entry, or delete it to leave the photo out"
        ) from error
    return label


def photo_of(names: Collection[str], photos: Collection[str]) -> dict[str, str]:
    """The photo that each labelled name means, where it is there: the same name, composed (NFC) or decomposed (NFD, as
    Macs write it).
    """
    by_key = {unicodedata.normalize("NFC", photo): photo for photo in photos}
    exact = set(photos)
    found = {name: name if name in exact else by_key.get(unicodedata.normalize("NFC", name)) for name in names}
    return {name: photo for name, photo in found.items() if photo is not None}


def near_miss(absent: Collection[str], photos: Collection[str]) -> str | None:
    """What a person may have meant, in a sentence: a photo whose name is a label's but for its ending or its folder."""
    for differs, part in (
        ("ending", lambda name: str(PurePosixPath(name).with_suffix(""))),
        ("folder", lambda name: PurePosixPath(name).name),
        ("folder and ending", lambda name: PurePosixPath(name).stem),
    ):
        here: dict[str, list[str]] = {}
        for photo in photos:
            here.setdefault(unicodedata.normalize("NFC", part(photo)), []).append(photo)
        for name in absent:
            meant = here.get(unicodedata.normalize("NFC", part(name)), []) if PurePosixPath(name).name else []
            if len(meant) == 1:
                return (
                    f"{short(name)} would be {short(meant[0])} but for its {differs}: write photos' names into"
                    " the label file as they are here"
                )
    return None


def _numbers(entry: object) -> list[float]:
    """The entry as numbers that float32 can hold."""
    if not isinstance(entry, list):
        raise LabelError(f"a camera label is a list of 25 numbers, not {_quoted(entry)}")
    if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in entry):
        raise LabelError("a camera label has something that is not a number")
    try:
        return [float(number) for number in entry]
    except OverflowError as error:
        raise LabelError("a camera label has a number that is not finite") from error


def _quoted(entry: object) -> str:
    if isinstance(entry, dict):
        return "an object"
    return json.dumps(entry[:40] if isinstance(entry, str) else entry)[:40]
