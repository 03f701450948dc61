"""The browser's camera and the generator's views."""

from __future__ import annotations

import math

import pytest
import torch

from corekit.camera import Camera
from gpk_eg3d.network import EG3D
from gpk_view.camera import (
    ANYWHERE,
    CLOSEST,
    FRONT,
    TRUSTED,
    Angles,
    angles_from,
    field_of_view,
    position_at,
    zoomed,
)


@pytest.mark.parametrize("pitch", [-1.5, -1.2, -0.5, -0.01, 0.0, 0.25, 0.9, 1.5])
@pytest.mark.parametrize("yaw", [-3.1, -1.6, -0.8, 0.0, 0.002, 0.35, 1.57, 3.1])
def test_a_view_is_found_again_from_where_its_camera_is(eg3d: EG3D, yaw: float, pitch: float) -> None:
    for zoom in (1.0, 3.0):
        found = angles_from(position_at(eg3d, Angles(yaw, pitch), zoom=zoom))
        assert found.pair == pytest.approx((yaw, pitch), abs=2e-5)


def test_the_camera_is_on_the_side_that_corekit_tells(eg3d: EG3D) -> None:
    assert position_at(eg3d, FRONT) == pytest.approx((0, 0, 2.7), abs=1e-6)
    right, raised = position_at(eg3d, Angles(yaw=0.3)), position_at(eg3d, Angles(pitch=-0.3))
    assert right[0] > 0
    assert raised[1] > 0
    through_the_arccosine = math.asin(0.6 / math.pi)  # 0.19 of 0.3
    assert math.asin(raised[1] / 2.7) == pytest.approx(through_the_arccosine, rel=1e-5)


def test_angles_end_at_the_range() -> None:
    assert Angles(2.0, -2.0).within(TRUSTED) == Angles(TRUSTED.yaw, -TRUSTED.pitch)
    assert Angles(0.3, -0.2).within(TRUSTED) == Angles(0.3, -0.2)
    assert Angles(2.0, -2.0).within(ANYWHERE) == Angles(2.0, -1.5)


def test_no_direction_is_the_front() -> None:
    assert angles_from((0.0, 0.0, 0.0)) == FRONT


def test_zoom_begins_at_the_generators_distance_and_ends_near() -> None:
    assert zoomed(2.7, 2.7) == zoomed(100.0, 2.7) == 1.0
    assert zoomed(1.35, 2.7) == 2.0
    assert zoomed(0.0, 2.7) == CLOSEST


def test_the_field_of_view_is_that_of_the_rays(eg3d: EG3D) -> None:
    camera = eg3d.orbit()
    assert isinstance(camera, Camera)
    n = 401
    _, rays = camera.rays(n)
    across = torch.arccos((rays[0, n * (n // 2)] * rays[0, n * (n // 2) + n - 1]).sum())
    assert field_of_view(camera.intrinsics[0, 0, 0].item()) == pytest.approx(across.item() * n / (n - 1), rel=1e-3)
