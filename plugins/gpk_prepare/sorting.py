"""Which photos of an album are worth learning from, and why not the others: every measure becomes a sentence here.

Reasons begin with a word that stays the same (stranger, mirrored, repeats, blurred, ...), so that they can be counted.
They are looked for in an order in which one does not hide another: a stranger is no duplicate to keep, and of a burst
the sharpest of those photos stays with which nothing else is wrong.

Shapes: M strangers, F features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from torch import Tensor

from gpk.framing import Square
from gpk_photos.duplicates import Look, duplicates
from gpk_photos.quality import complaints
from gpk_photos.reading import Face, Reading
from gpk_photos.selection import Choice
from gpk_prepare.identity import Identity, main_identity
from gpk_prepare.settings import Pick
from gpk_tasks.pose.settings import Posing

MIRRORED = 0.15
"""By how much a mirror image must be more like the subject than the photo is. Faces that are nearly symmetrical differ
by less than a tenth, and are not told apart; who is not symmetrical differs by a third and more."""
EXTREME_YAW, EXTREME_PITCH = 0.9, 0.6
"""Radians off the front. A profile shows one eye; the training sets have hardly any (EG3D's FFHQ: a yaw of 0.33 is one
standard deviation, Chan et al., 2022, appendix)."""
UNSURE = Posing.doubt
"""Confidence of a pose, from 0 to 1, below which it is told; `docs/pose.md` has how far cameras in doubt are off."""
MISFIT = 4.0
"""Median absolute deviations by which a photo's residual may lie above the album's median: something is before the
face, or it is none. 4 of them are 2.7 standard deviations of a bell curve."""
LEAST_SPREAD = 0.1
"""Of the median: residuals that lie nearer together than this differ by chance."""


@dataclass(frozen=True)
class Features:
    """What the judge sees in a crop and in its mirror image: unit features [F] each."""

    plain: Tensor
    mirrored: Tensor


@dataclass(frozen=True)
class Pose:
    """A crop's camera: EG3D's label of 25 numbers, the angles it was found at in radians, how sure that is (0 to 1) and
    how far the fit stayed from the photo; None where the camera was given by the user. `square` is where in the photo
    the camera looks, where that was found with it.
    """

    label: tuple[float, ...]
    yaw: float
    pitch: float
    confidence: float | None = None
    residual: float | None = None
    square: Square | None = None


@dataclass(frozen=True)
class Sorted:
    """By the photo's name: the face that was chosen, the reasons against it, and what was measured."""

    faces: Mapping[str, Face]
    reasons: Mapping[str, tuple[str, ...]]
    likeness: Mapping[str, float] = field(default_factory=dict)
    twin_of: Mapping[str, str] = field(default_factory=dict)


def sort_photos(
    readings: Mapping[str, Reading], features: Mapping[str, Features], strangers: Tensor | None, pick: Pick
) -> Sorted:
    """Everything that is known before cameras are; `features` by crop, `strangers` [M, F] features of others."""
    reasons: dict[str, list[str]] = {name: [each.trouble] if each.trouble else [] for name, each in readings.items()}
    identity = None if not features else _identity(readings, features, strangers)
    faces = {name: chosen(each.faces, features, identity, pick) for name, each in readings.items() if each.faces}
    for name, found in complaints({name: face.quality for name, face in faces.items()}).items():
        reasons[name] += found
    likeness: dict[str, float] = {}
    if identity is not None:
        for name, face in faces.items():
            both = features[face.crop]
            likeness[name] = float(both.plain @ identity.centre)
            if not reasons[name]:  # of a black frame nobody can tell
                reasons[name] += _about(identity, likeness[name], float(both.mirrored @ identity.centre))
    good = {name: face for name, face in faces.items() if not reasons[name]}
    looks = {name: Look(readings[name].look, face.look, face.glance) for name, face in good.items()}
    twin_of = duplicates(looks, {name: face.quality.sharpness for name, face in good.items()})
    for name, other in twin_of.items():
        reasons[name].append(f"repeats {other}, which is sharper")
    return Sorted(faces, {name: tuple(found) for name, found in reasons.items()}, likeness, twin_of)


def chosen(faces: Sequence[Face], features: Mapping[str, Features], identity: Identity | None, pick: Pick) -> Face:
    """Of a photo's faces the one that is most like the album's subject, or the one that was asked for."""
    if isinstance(pick, int):
        return sorted(faces, key=lambda face: face.square.x)[min(pick, len(faces)) - 1]
    if pick == "largest":
        return max(faces, key=lambda face: face.square.side)
    if identity is None:
        return faces[0]
    return max(faces, key=lambda face: float(features[face.crop].plain @ identity.centre))


def about_poses(poses: Mapping[str, Pose]) -> dict[str, list[str]]:
    """What is wrong with each photo's pose, by name."""
    residuals = [pose.residual for pose in poses.values() if pose.residual is not None]
    usual = median(residuals) if residuals else 0.0
    spread = max(median(abs(each - usual) for each in residuals), LEAST_SPREAD * usual) if residuals else 0.0
    return {name: _about_pose(pose, usual, spread) for name, pose in poses.items()}


def choices(
    readings: Mapping[str, Reading],
    found: Sorted,
    poses: Mapping[str, Pose],
    decisions: Mapping[str, bool],
) -> list[Choice]:
    """The lines of `selection.csv`, photo by photo; `decisions` are the user's own, by the photo's name, and win."""
    against = about_poses(poses)
    lines = []
    for name, reading in readings.items():
        face = found.faces.get(name)
        reasons = (*found.reasons[name], *against.get(name, ()))
        suggested = face is not None and not reasons
        use = decisions.get(name, suggested) and face is not None
        lines.append(
            Choice(
                file=name,
                crop=face.crop if face else "",
                use=use,
                decided_by="you" if name in decisions else "gpk",
                suggested=suggested,
                reasons=reasons,
                measured=_measured(reading, face, found, poses.get(name), name),
            )
        )
    return lines


def _identity(
    readings: Mapping[str, Reading], features: Mapping[str, Features], strangers: Tensor | None
) -> Identity | None:
    import torch

    faces = [
        (number, face)
        for number, reading in enumerate(readings.values())
        for face in reading.faces
        if face.crop in features and not complaints({"": face.quality})[""]
    ]
    if not faces:
        return None
    rows = torch.stack([features[face.crop].plain for _, face in faces])
    return main_identity(rows, [number for number, _ in faces], strangers)


def _about(identity: Identity, likeness: float, mirrored: float) -> list[str]:
    if mirrored - likeness > MIRRORED and (identity.least is None or mirrored >= identity.least):
        return [f"mirrored: its mirror image is more like the others ({mirrored:.2f} against {likeness:.2f})"]
    if identity.least is not None and likeness < identity.least:
        return [f"stranger: likeness {likeness:.2f}, below {identity.least:.2f}"]
    return []


def _about_pose(pose: Pose, usual: float, spread: float) -> list[str]:
    found = []
    if abs(pose.yaw) > EXTREME_YAW or abs(pose.pitch) > EXTREME_PITCH:
        found.append(f"extreme pose: yaw {pose.yaw:+.2f}, pitch {pose.pitch:+.2f} radians")
    if pose.residual is not None and pose.residual > usual + MISFIT * spread:
        found.append(f"does not fit: residual {pose.residual:.3g}, where the album has {usual:.3g}")
    elif pose.confidence is not None and pose.confidence < UNSURE:
        found.append(f"unsure pose: confidence {pose.confidence:.2f}")
    return found


def _measured(reading: Reading, face: Face | None, found: Sorted, pose: Pose | None, name: str) -> dict[str, str]:
    """The columns of figures; empty where nothing is known."""
    quality, square = (face.quality, face.square) if face else (None, None)
    square = pose.square if pose and pose.square else square

    def spelled(value: float | None, digits: int) -> str:
        return "" if value is None else f"{value:.{digits}f}"

    return {
        "sharpness": spelled(quality and quality.sharpness, 4),
        "dark": spelled(quality and quality.dark, 2),
        "bright": spelled(quality and quality.bright, 2),
        "mean": spelled(quality and quality.mean, 2),
        "pixels per pixel": spelled(quality and quality.scale, 2),
        "own pixels": spelled(face and face.real, 2),
        "faces": str(len(reading.faces)),
        "duplicate of": found.twin_of.get(name, ""),
        "likeness": spelled(found.likeness.get(name), 3),
        "yaw": spelled(pose and pose.yaw, 3),
        "pitch": spelled(pose and pose.pitch, 3),
        "confidence": spelled(pose and pose.confidence, 2),
        "residual": spelled(pose and pose.residual, 4),
        "left": spelled(square and square.x - square.side / 2, 0),
        "top": spelled(square and square.y - square.side / 2, 0),
        "side": spelled(square and square.side, 0),
        "roll": spelled(square and square.roll, 1),
    }
