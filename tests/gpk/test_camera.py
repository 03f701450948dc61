"""Cameras: labels there and back, mirror images, rays, and labels that cannot be."""

from __future__ import annotations

import math

import pytest
import torch

from gpk.camera import EG3D_FOCAL, Camera
from gpk.errors import LabelError


def test_frontal_is_what_eg3d_says() -> None:
    camera = Camera.orbit(0.0, 0.0)
    assert torch.allclose(camera.pose[0, :3, :3], torch.diag(torch.tensor([1.0, -1.0, -1.0])), atol=1e-6)
    assert torch.allclose(camera.pose[0, :3, 3], torch.tensor([0.0, 0.0, 2.7]), atol=1e-6)
    assert pytest.approx(4.263391, abs=1e-5) == EG3D_FOCAL


def test_yaw_is_exact_and_a_pitch_of_a_quarter_is_nine_degrees() -> None:
    position = Camera.orbit(0.3, 0.0).pose[0, :3, 3]
    assert math.atan2(position[0], position[2]) == pytest.approx(0.3, abs=1e-6)
    raised = Camera.orbit(0.0, -0.25).pose[0, :3, 3]
    assert math.asin(raised[1] / 2.7) == pytest.approx(0.16, abs=1e-3)


def test_labels_there_and_back() -> None:
    camera = Camera.orbit(torch.tensor([0.1, -0.5]), torch.tensor([0.2, 0.0]), pivot=(0, 0, 0.2))
    again = Camera.from_label(camera.label())
    assert torch.equal(again.pose, camera.pose)
    assert torch.equal(again.intrinsics, camera.intrinsics)
    assert len(camera[1]) == 1
    assert torch.equal(camera[-1].pose, camera.pose[1:])


def test_angles_are_those_of_the_orbit_and_degrees_are_real_ones() -> None:
    yaw, pitch = torch.tensor([0.3, -0.6, 0.0, 2.0]), torch.tensor([0.1, -0.38, 1.2, 0.0])
    cameras = Camera.orbit(yaw, pitch, pivot=(0.0, 0.0, 0.2))
    assert torch.allclose(cameras.angles(), torch.stack([yaw, pitch]), atol=1e-5)
    front = Camera.orbit(0.0, 0.0)
    assert Camera.orbit(0.3, 0.0).degrees_from(front).item() == pytest.approx(math.degrees(0.3), abs=1e-4)
    assert Camera.orbit(0.0, 0.25).degrees_from(front).item() == pytest.approx(9.16, abs=0.01)
    assert cameras.degrees_from(cameras).max() < 1e-5


def test_mirrored_is_the_other_side() -> None:
    assert torch.allclose(Camera.orbit(0.4, 0.1).mirrored().pose, Camera.orbit(-0.4, 0.1).pose, atol=1e-6)


def test_the_middle_ray_meets_the_pivot() -> None:
    camera = Camera.orbit(0.5, -0.3, pivot=(0.0, 0.0, 0.2))
    origin, direction = camera.rays(3)
    assert torch.allclose(direction.norm(dim=2), torch.ones(1, 9))
    to_pivot = torch.tensor([0.0, 0.0, 0.2]) - origin[0, 4]
    assert torch.allclose(direction[0, 4], to_pivot / to_pivot.norm(), atol=1e-5)
    assert direction[0, 5] @ camera.pose[0, :3, 0] > 0  # row by row: the next ray is to the right


def test_labels_that_cannot_be() -> None:
    good = Camera.orbit(0.0, 0.0).label()
    with pytest.raises(LabelError, match=r"25 numbers .* not 24"):
        Camera.from_label(good[:, :24])
    spoiled = good.clone()
    spoiled[0, 3] = float("nan")
    with pytest.raises(LabelError, match="not finite"):
        Camera.from_label(spoiled)
    for index, value in ((0, 2.0), (0, -1.0)):
        spoiled = good.clone()
        spoiled[0, index] = value
        with pytest.raises(LabelError, match="not a rotation"):
            Camera.from_label(spoiled)
    spoiled = good.clone()
    spoiled[0, 16] = 0
    with pytest.raises(LabelError, match="focal length"):
        Camera.from_label(spoiled)
    with pytest.raises(LabelError, match=r"needs a pose \[B, 4, 4\]"):
        Camera(torch.zeros(3, 3), torch.zeros(1, 3, 3))
