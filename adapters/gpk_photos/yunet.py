"""YuNet, a small network that finds faces and their eyes, nose and mouth (Wu et al., 2023, Machine Intelligence
Research 20), in the model file that OpenCV's zoo has of it; run by OpenCV, an optional extra.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from gpk.detector import Found
from gpk.errors import ExtraError, WeightsError
from gpk_checkpoints.cache import cache_folder
from gpk_photos.detectors import FACE_SIDE, best, in_colour, open_cv

if TYPE_CHECKING:
    from gpk.detector import Detector

NAME = "face_detection_yunet_2023mar.onnx"
PAGE = "https://github.com/opencv/opencv_zoo/tree/main/models/face_detection_yunet"
SCORE, OVERLAP, MOST = 0.7, 0.3, 100
"""Faces below this score are none, of two that overlap more only one is, and so many are kept."""


def load_yunet(model: Path | None) -> Detector:
    """YuNet of a model file, or of `NAME` in the cache where None: boxes, and all five landmarks.

    Raises ExtraError where there is no OpenCV or no file, WeightsError where the file is of something else.
    """
    kept = cache_folder() / "detectors" / NAME
    file = model or kept
    if not file.is_file():
        remedy = f"get {NAME} (0.2 MB, licence MIT) from {PAGE} and give it as yunet=FILE"
        if model is not None:
            raise WeightsError(f"no model of yunet at {file}: {remedy}")
        raise ExtraError(f"yunet comes without its model: {remedy}, or put it into {kept.parent}")
    cv2 = open_cv()
    other = f"{file} is no model of YuNet's: get {NAME} from {PAGE}"
    try:
        network = cv2.FaceDetectorYN.create(str(file), "", (FACE_SIDE, FACE_SIDE), SCORE, OVERLAP, MOST)
    except cv2.error as error:
        raise WeightsError(other) from error

    def detect(picture: Tensor) -> Sequence[Found]:
        colour, scale = in_colour(cv2, picture, FACE_SIDE)
        network.setInputSize(colour.shape[1::-1])
        try:
            _, rows = network.detect(colour)
        except cv2.error as error:
            raise WeightsError(other) from error
        found = []
        for row in [] if rows is None else rows.tolist():
            x, y, width, height = row[:4]
            # Eyes and corners of the mouth come in pairs, a person's right one first: the left one in the picture.
            marks = tuple(zip(row[4:14:2], row[5:14:2], strict=True))
            found.append(Found((x, y, x + width, y + height), row[14], marks).scaled(1 / scale))
        return best(found)

    return detect
