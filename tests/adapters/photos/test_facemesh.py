"""Cameras from places on a face: a face drawn by a camera tells that camera, and a mesh's detector what it lacks."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from gpk.camera import Camera
from gpk.detector import Found
from gpk.errors import ExtraError, WeightsError
from gpk.framing import Framing, Square
from gpk.registry import Registry
from gpk_checkpoints.packaged import Packaged
from gpk_photos.facemesh import FOCAL, RIGID, turn_of

cv2 = pytest.importorskip("cv2")


def seen(yaw: float, pitch: float, square: Square, *, jaw: float = 0.0) -> np.ndarray:
    """Where a camera of EG3D's at these angles sees the mean face, in pixels of a photo cut by `square`."""
    camera = Camera.orbit(yaw, pitch, focal=FOCAL)
    # A face of 14 cm beside EG3D's radius of 2.7, its middle in the world's.
    places = torch.tensor(list(RIGID.values())) * 0.035 - torch.tensor([0.0, 0.05, 0.1])
    pose = camera.pose[0]
    local = (places - pose[:3, 3]) @ pose[:3, :3]
    local[:, 1] += jaw
    shares = (local[:, :2] / local[:, 2:] * FOCAL).double().numpy()
    turn = math.radians(square.roll)
    back = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    return shares @ back * square.side + [square.x, square.y]


@pytest.mark.parametrize("yaw", [-0.6, 0.0, 0.4])
@pytest.mark.parametrize("pitch", [-0.3, 0.0, 0.2])
@pytest.mark.parametrize("roll", [0.0, 17.0])
def test_the_camera_that_drew_a_face_is_found(yaw: float, pitch: float, roll: float) -> None:
    square = Square(300, 200, 180, roll)
    turn = turn_of(cv2, seen(yaw, pitch, square), square)
    assert turn is not None
    assert turn == pytest.approx((yaw, pitch), abs=0.02)  # EG3D's cameras look past the face's middle


def test_the_turn_goes_with_the_face_to_its_square() -> None:
    found = Found((0, 0, 10, 10), turn=(0.1, -0.2))
    assert found.scaled(2).turn == (0.1, -0.2)
    for framing in (Framing(), Framing("ffhq", scale=0.7, shift=(0.1, 0.0))):
        assert framing.square(found).turn == (0.1, -0.2)


def test_it_takes_no_file_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    load = Registry.discover(plugins=False).detector("facemesh").load
    with pytest.raises(WeightsError, match=r"takes no file: leave .*x out"):
        load(tmp_path / "x")

    def absent(self: Packaged, who: str) -> Path:
        raise ExtraError(f"{who}: {self.remedy}")

    monkeypatch.setattr(Packaged, "find", absent)
    with pytest.raises(ExtraError, match="pip install --no-deps"):
        load(None)
