"""What is said of poses: too far to the side, not fitting, unsure; and what wins where several are true."""

from __future__ import annotations

import pytest

from gpk.framing import Square
from gpk_photos.quality import Quality
from gpk_photos.reading import Face, Reading
from gpk_prepare.sorting import EXTREME_PITCH, EXTREME_YAW, MISFIT, UNSURE, Pose, Sorted, about_poses, choices

LABEL = (0.0,) * 25


def posed(
    *, yaw: float = 0.1, pitch: float = 0.0, confidence: float | None = 0.8, residual: float | None = 0.5
) -> Pose:
    return Pose(LABEL, yaw, pitch, confidence, residual)


def album(*odd: Pose, residuals: tuple[float, ...] = (0.46, 0.48, 0.5, 0.52, 0.54)) -> dict[str, Pose]:
    """Five good poses, and odd ones."""
    good = {f"good {i}": posed(residual=residual) for i, residual in enumerate(residuals)}
    return good | {f"odd {i}": pose for i, pose in enumerate(odd)}


@pytest.mark.parametrize(
    ("pose", "says"),
    [
        (posed(yaw=EXTREME_YAW + 0.01), ["extreme pose: yaw +0.91, pitch +0.00 radians"]),
        (posed(yaw=-1.4), ["extreme pose: yaw -1.40, pitch +0.00 radians"]),
        (posed(pitch=-EXTREME_PITCH - 0.01), ["extreme pose: yaw +0.10, pitch -0.61 radians"]),
        (posed(yaw=EXTREME_YAW, pitch=EXTREME_PITCH), []),
        (posed(residual=0.9), ["does not fit: residual 0.9, where the album has 0.51"]),
        (posed(residual=0.1), []),
        (posed(confidence=UNSURE - 0.01), [f"unsure pose: confidence {UNSURE - 0.01:.2f}"]),
        (posed(confidence=UNSURE), []),
        # A photo that fits nowhere is unsure as well: one reason is enough, and the first is the better one.
        (posed(confidence=0.0, residual=0.9), ["does not fit: residual 0.9, where the album has 0.51"]),
        (
            posed(yaw=1.2, confidence=0.0),
            ["extreme pose: yaw +1.20, pitch +0.00 radians", "unsure pose: confidence 0.00"],
        ),
        (Pose(LABEL, 1.2, 0.0), ["extreme pose: yaw +1.20, pitch +0.00 radians"]),
        (Pose(LABEL, 0.1, 0.0), []),
    ],
)
def test_what_is_wrong_with_a_pose(pose: Pose, says: list[str]) -> None:
    found = about_poses(album(pose))
    assert found.pop("odd 0") == says
    assert not any(found.values())


def test_a_residual_is_judged_by_the_albums_own_spread() -> None:
    even = album(posed(residual=0.75), residuals=(0.5,) * 5)  # 4 tenths of the median are 0.2
    assert about_poses(even)["odd 0"]
    uneven = album(posed(residual=0.75), residuals=(0.3, 0.4, 0.5, 0.6, 0.7))
    assert not about_poses(uneven)["odd 0"]


def test_the_worst_of_many_bad_ones_hide_no_better() -> None:
    """The median stands as long as the half is good."""
    bad = [posed(residual=0.5 + MISFIT * 0.1 + i) for i in range(4)]
    found = about_poses(album(*bad))
    assert [name for name, reasons in found.items() if reasons] == [f"odd {i}" for i in range(4)]


def test_given_cameras_alone_have_no_median() -> None:
    assert about_poses({"a": Pose(LABEL, 0.0, 0.0), "b": Pose(LABEL, 0.0, -0.7)}) == {
        "a": [],
        "b": ["extreme pose: yaw +0.00, pitch -0.70 radians"],
    }
    assert about_poses({}) == {}


def test_a_bad_pose_leaves_its_photo_out_and_your_decision_wins() -> None:
    face = Face("photos/a.png", Square(1, 1, 2), 1.0, Quality(1, 64, 0, 0, 0.5, 0.2, 2), 0)
    readings = {name: Reading("0", 2, 2, 0, (face,)) for name in ("a", "b", "c")}
    found = Sorted(dict.fromkeys(readings, face), dict.fromkeys(readings, ()))
    poses = {"a": posed(), "b": posed(yaw=-1.0), "c": posed(yaw=1.0)}
    lines = {each.file: each for each in choices(readings, found, poses, {"c": True})}
    assert [(each.use, each.suggested, each.word) for each in lines.values()] == [
        (True, True, "by your decision"),
        (False, False, "extreme pose"),
        (True, False, "extreme pose"),
    ]
    assert lines["b"].measured["yaw"] == "-1.000"
