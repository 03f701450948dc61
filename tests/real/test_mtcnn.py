"""MTCNN against the package that its weights are from, on real photographs, and against OpenCV's cascade."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from photographs import CLIPS, frames
from PIL import Image
from skimage import data

from gpk.framing import Framing
from gpk.registry import Registry
from gpk_photos import mtcnn
from gpk_photos.decode import tensor
from gpk_photos.finding import faces

pytestmark = pytest.mark.real
EVERY = 12
"""Frames of each clip."""


def photographs() -> list[Image.Image]:
    """A woman before a flag, and a few frames of each clip, none with a side beyond what is looked at."""
    return [Image.fromarray(data.astronaut()), *(frame for clip in CLIPS for frame in frames(clip, EVERY))]


def test_it_finds_what_the_package_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    facenet = pytest.importorskip("facenet_pytorch")
    theirs = facenet.MTCNN(keep_all=True, device="cpu", min_face_size=20, thresholds=list(mtcnn.SURE.values()))
    detect = mtcnn.load_mtcnn(None)
    for photo in photographs():
        found = detect(tensor(photo))
        boxes, scores, marks = theirs.detect(np.asarray(photo), landmarks=True)
        assert len(found) == len(boxes)
        for each, place in zip(found, np.argsort(-scores), strict=True):
            left, top, right, bottom = boxes[place]
            assert each.box == pytest.approx((left, top, right, bottom), abs=0.01)
            assert each.score == pytest.approx(scores[place], abs=1e-5)
            assert np.array(each.landmarks) == pytest.approx(marks[place], abs=0.01)


def test_a_face_that_leans_or_speaks_is_found_where_the_cascade_finds_none() -> None:
    """The table of docs/photos.md: faces found, of one a frame, and by how much the two disagree on its roll."""
    registry = Registry.discover(plugins=False)
    detectors = {name: registry.detector(name).load(None) for name in ("mtcnn", "opencv-face")}
    missed = dict.fromkeys(detectors, 0)
    for clip in CLIPS:
        rolls: list[float] = []
        count = {name: [0, 0] for name in detectors}
        for frame in frames(clip):
            picture = tensor(frame)
            seen = {name: faces(detect(picture), *frame.size) for name, detect in detectors.items()}
            for name, found in seen.items():
                count[name][0] += bool(found)
                count[name][1] += max(len(found) - 1, 0)
                missed[name] += not found
            if all(seen.values()):
                one, other = (Framing("ffhq").square(found[0]) for found in seen.values())
                rolls.append(abs(one.roll - other.roll))
        print(clip, count, f"roll apart: median {np.median(rolls):.1f}, at most {max(rolls):.1f} degrees")
    assert missed["mtcnn"] == 0
    assert missed["opencv-face"] > 5


def test_noise_and_leaves_cost_bounded_time_and_are_no_faces() -> None:
    detect = mtcnn.load_mtcnn(None)
    noise = torch.rand(3, 640, 640, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert detect(noise) == ()
    for name in ("coins", "gravel", "brick", "grass", "coffee", "rocket"):
        assert detect(tensor(Image.fromarray(getattr(data, name)()).convert("RGB"))) == ()
