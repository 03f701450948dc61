"""Faces and cats' heads found by OpenCV's cascades; OpenCV is an optional extra.

A cascade (Viola and Jones, 2001) slides a window over grey pictures of many sizes and asks a chain of cheap questions.
It needs no file of its own and is quick, but knows heads that look straight ahead and stand upright; so cats, which
seldom do, are looked for in pictures turned to either side as well, and what is found in several counts together. To
that cascade a person is a cat now and then: where a person's face is found for certain, there is no cat.

Shapes: H and W sides of a photograph, h and w of what is looked at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from gpk.detector import Found, Point
from gpk.errors import ExtraError, WeightsError
from gpk.pixels import to_bytes

if TYPE_CHECKING:
    from gpk.detector import Detector

FACE_SIDE, CAT_SIDE = 640, 320
"""Pixels of the longer side at which photographs are looked at. Cats are looked for seven times."""
FACE_SHARE, CAT_SHARE = 0.06, 0.18
"""Of the shorter side: what is smaller and looks like a face is mostly none; to the cats' cascade each eye is one."""
TURNS = (-30, -20, -10, 0, 10, 20, 30)
"""Degrees by which a cat's head may lean."""
BORDER = 0.3
"""Of the longer side: mirrored around the photograph, so that a face which fills it is found."""


def open_cv() -> Any:  # noqa: ANN401 - the module, which has no types to speak of
    """OpenCV; raises ExtraError where it is absent."""
    try:
        import cv2
    except ImportError as error:
        raise ExtraError('this detector needs OpenCV: pip install "gpk[photos]"') from error
    return cv2


def load_face(model: Path | None = None) -> Detector:
    """Faces by a cascade, and their eyes by another one where both are seen, which tell how the face leans.

    Raises ExtraError where OpenCV or its cascade is absent, WeightsError for a `model`: it takes none.
    """
    cv2 = _without("opencv-face", model)
    faces, eyes = (_cascade(cv2, name) for name in ("frontalface_alt2", "eye"))

    def detect(picture: Tensor) -> Sequence[Found]:
        grey, scale = _grey(cv2, picture, FACE_SIDE)
        least = max(20, int(FACE_SHARE * min(grey.shape)))
        boxes, _, scores = faces.detectMultiScale3(grey, 1.05, 4, minSize=(least, least), outputRejectLevels=True)
        found = []
        for (x, y, side, _), score in zip(boxes, scores, strict=True):
            box = (float(x), float(y), float(x + side), float(y + side))
            marks = _eyes(eyes, grey, int(x), int(y), int(side))
            found.append(Found(box, float(score), marks).scaled(1 / scale))
        return best(found)

    return detect


def load_cat(model: Path | None = None) -> Detector:
    """Cats' faces by a cascade, in pictures turned by TURNS: the box, and how it leans. Raises as `load_face` does."""
    cv2 = _without("opencv-cat", model)
    cascade, people = _cascade(cv2, "frontalcatface_extended"), _people()

    def detect(picture: Tensor) -> Sequence[Found]:
        grey, scale = _grey(cv2, picture, CAT_SIDE)
        height, width = grey.shape
        least = max(24, int(CAT_SHARE * min(height, width)))
        border = int(BORDER * max(height, width))
        wide = cv2.copyMakeBorder(grey, border, border, border, border, cv2.BORDER_REFLECT)
        size = wide.shape[::-1]
        found = []
        for turn in TURNS:
            # OpenCV's positive angles turn a picture counterclockwise, which sets a head upright that leans clockwise.
            there = cv2.getRotationMatrix2D((size[0] / 2, size[1] / 2), turn, 1.0)
            back = cv2.invertAffineTransform(there)
            turned = cv2.warpAffine(wide, there, size, borderMode=cv2.BORDER_REFLECT)
            boxes, _, scores = cascade.detectMultiScale3(
                turned, 1.05, 3, minSize=(least, least), outputRejectLevels=True
            )
            for (x, y, side, _), score in zip(boxes, scores, strict=True):
                x, y = back @ (x + side / 2, y + side / 2, 1) - border
                if 0 <= x < width and 0 <= y < height:
                    half = float(side) / 2
                    box = (float(x) - half, float(y) - half, float(x) + half, float(y) + half)
                    found.append(Found(box, float(score), roll=float(turn)))
        cats = [head.scaled(1 / scale) for head in _agreed(found)]
        persons = people(picture) if cats else ()
        return best([cat for cat in cats if not any(_same_place(cat, person) for person in persons)])

    return detect


def _people() -> Detector:
    """Finds people's faces that are certainly some: by MTCNN, and where its package is absent by the cascades, both of
    whose eyes are seen.
    """
    from gpk_photos.mtcnn import load_mtcnn  # here, because it leans on this module

    try:
        return load_mtcnn(None)
    except ExtraError:
        find = load_face()
        return lambda picture: [face for face in find(picture) if face.landmarks is not None]


def _same_place(one: Found, other: Found) -> bool:
    """Whether the middle of the smaller lies in the larger one's box."""
    small, large = sorted((one, other), key=lambda found: found.side)
    (x, y), (left, top, right, bottom) = small.centre, large.box
    return left <= x <= right and top <= y <= bottom


def _without(name: str, model: Path | None) -> Any:  # noqa: ANN401 - OpenCV
    if model is not None:
        raise WeightsError(f"{name} has its cascades from OpenCV and takes no file: leave {model} out")
    return open_cv()


def _cascade(cv2: Any, name: str) -> Any:  # noqa: ANN401 - OpenCV's own
    cascade = cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / f"haarcascade_{name}.xml"))
    if cascade.empty():
        raise ExtraError(f'this OpenCV has no cascade {name}: pip install "gpk[photos]" brings one that has')
    return cascade


def in_colour(cv2: Any, picture: Tensor, longest: int) -> tuple[np.ndarray, float]:  # noqa: ANN401 - OpenCV
    """The picture [3, H, W] in [-1, 1] as OpenCV takes it, bytes [h, w, 3] of blue, green and red with no side beyond
    `longest` pixels, and its side in those of the picture, at most 1.
    """
    pixels = to_bytes(picture).cpu().permute(1, 2, 0).numpy()
    height, width = pixels.shape[:2]
    scale = min(1.0, longest / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(pixels[..., ::-1], size, interpolation=cv2.INTER_AREA), scale


def _grey(cv2: Any, picture: Tensor, longest: int) -> tuple[np.ndarray, float]:  # noqa: ANN401
    colour, scale = in_colour(cv2, picture, longest)
    return cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY), scale


def _eyes(cascade: Any, grey: np.ndarray, x: int, y: int, side: int) -> tuple[Point, Point] | None:  # noqa: ANN401
    """The eyes of the face in this box, one in each half of its upper part; None where not both are seen."""
    upper = grey[max(y, 0) : y + int(0.65 * side), max(x, 0) : x + side]
    least = max(8, side // 8)
    boxes, _, scores = cascade.detectMultiScale3(
        upper, 1.05, 3, minSize=(least, least), maxSize=(side // 2, side // 2), outputRejectLevels=True
    )
    middles = sorted(
        (
            (float(score), (float(x + a + w / 2), float(y + b + h / 2)))
            for (a, b, w, h), score in zip(boxes, scores, strict=True)
        ),
        reverse=True,
    )
    left = next((middle for _, middle in middles if middle[0] < x + 0.46 * side), None)
    right = next((middle for _, middle in middles if middle[0] > x + 0.54 * side), None)
    if left is None or right is None:
        return None
    lean = math.degrees(math.atan2(right[1] - left[1], right[0] - left[0]))
    apart = math.dist(left, right)
    return (left, right) if 0.25 * side < apart < 0.65 * side and abs(lean) < 35 else None


def _agreed(found: Sequence[Found]) -> list[Found]:
    """One for each group of finds at about one place: the mean of them, each counted by its score, and their sum."""
    groups: list[list[Found]] = []
    for head in sorted(found, key=lambda head: -head.score):
        for group in groups:
            first = group[0]
            near = math.dist(head.centre, first.centre) < 0.3 * max(head.side, first.side)
            if near and 0.6 < head.side / first.side < 1.7:
                group.append(head)
                break
        else:
            groups.append([head])
    agreed = []
    for group in groups:
        weights = [max(head.score, 0.05) for head in group]
        total = sum(weights)
        box = tuple(sum(w * head.box[i] for w, head in zip(weights, group, strict=True)) / total for i in range(4))
        roll = sum(w * head.roll for w, head in zip(weights, group, strict=True)) / total
        agreed.append(Found((box[0], box[1], box[2], box[3]), total, roll=roll))
    return agreed


def best(found: Sequence[Found]) -> tuple[Found, ...]:
    """The surest first."""
    return tuple(sorted(found, key=lambda head: -head.score))
