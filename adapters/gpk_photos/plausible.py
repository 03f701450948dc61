r"""Whether camera labels are those of the photos, or of another convention: what is certain is refused, with the turn
that explains all of it (`gpk_photos.conventions`), what is merely odd is warned about.

A generator's own cameras tell where its subject is, how far cameras stand and how much they see. An album is judged as
a whole: a mistake of convention is made in all labels at once, so a sign that three quarters of them have is none of
noise. What no sign shows: labels that changed places among the photos, and the inverse of a pose seen from the front,
which is the pose itself.

Shapes: N labels of 25 numbers.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gpk.errors import LabelError
from gpk.generator import Generator
from gpk_photos.conventions import AS_THEY_ARE, INTRINSICS, POSES, told, turned
from gpk_photos.table import short

LONGEST_FOCAL = 50.0
"""Image sides: a field of view of one degree. Beyond it the intrinsics were written in pixels."""
ODD, WRONG = 1.3, 1.6
"""Times the generator's radius or focal length: estimators of poses in the wild are off by a tenth."""
OFF_ODD, OFF_WRONG = 0.3, 0.75
"""Image sides between the middle of a picture and the subject; from 0.71 on it lies beyond the picture's corner."""
MOST = 0.75
"""Share of an album's labels that noise does not spoil."""
ENOUGH = 256
"""Labels that are looked at to find a turn."""

AWAY, ROW = "looks away from the world's origin", "has a pose whose last row is not 0, 0, 0, 1"
PIXELS = "has intrinsics in pixels, it seems: the intrinsics look like pixels"
HARD = (ROW, PIXELS, AWAY)
MISSES, FAR, FOCAL = "does not look at the subject", "stands too near or too far", "has another focal length"
CENTRE, PLACE = "has another centre", "stands where all others do, which look elsewhere"
DOWN, STEEP, BEHIND = "is upside down", "looks from right above or below", "stands behind the subject"


@dataclass(frozen=True)
class Sight:
    """What a generator's own cameras look at: `target` [3]; how far from the origin they stand, in world units; their
    focal length in image sides.
    """

    target: Tensor
    radius: float
    focal: float


def own_sight(generator: Generator) -> Sight | None:
    """What the generator's cameras tell; None for one that has none."""
    pair = [generator.orbit(yaw) for yaw in (-0.4, 0.4)]
    poses = [camera.pose.detach().cpu().double() for camera in pair if camera is not None]
    if len(poses) != 2 or pair[0] is None:
        return None
    pose = torch.cat(poses)
    radius = pose[:, :3, 3].norm(dim=1).mean().item()
    focal = pair[0].intrinsics[0, 0, 0].item()
    return Sight(_meeting(pose), radius, focal) if radius > 0 and focal > 0 else None


def checked(
    labels: Mapping[str, Tensor], where: str, *, sight: Sight | None = None, labels_as: str | None = None
) -> tuple[dict[str, Tensor], str | None]:
    """The labels [25] by name after the turns `labels_as`, and a warning in one line where some are odd.

    `where` names their file; without `sight` only what is wrong for every generator is told. Raises LabelError.
    """
    if not labels:
        return {}, None
    names, stacked = list(labels), torch.stack(list(labels.values()))
    stacked = turned(stacked, labels_as) if labels_as else stacked
    wrong, odd = _signs(stacked, sight)
    for sign in HARD:
        if wrong[sign].any():
            raise LabelError(_refusal(where, names, stacked, wrong[sign], sign, sight))
    share = {sign: rows.double().mean().item() for sign, rows in wrong.items()}
    for sign in wrong:
        if share[sign] < MOST or labels_as == AS_THEY_ARE:
            continue
        turn = _explanation(stacked, sight)
        # An object is seen from above or from behind by right: only a turn that explains it makes it a mistake.
        if turn or sign not in (DOWN, STEEP):
            raise LabelError(_refusal(where, names, stacked, wrong[sign], sign, sight))
    rows = {sign: wrong[sign] | odd.get(sign, torch.zeros_like(wrong[sign])) for sign in wrong}
    rows[BEHIND] = odd[BEHIND] & odd[BEHIND].all()
    notes = [
        f"{_which(names, seen)}: {sign}{_measured(sign, stacked, seen, sight)}"
        for sign, seen in rows.items()
        if seen.any()
    ]
    warning = f"Camera labels of {where} that may be wrong: {'; '.join(notes)}" if notes else None
    return dict(zip(names, stacked, strict=True)), warning


def _signs(labels: Tensor, sight: Sight | None) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Which labels [N] have which sign, wrong for sure and merely odd."""
    labels = labels.double()
    pose, k = labels[:, :16].reshape(-1, 4, 4), labels[:, 16:].reshape(-1, 3, 3)
    at, forward = pose[:, :3, 3], pose[:, :3, 2]
    radius = at.norm(dim=1).clamp(min=1e-12)
    wrong = {
        ROW: (pose[:, 3] - pose.new_tensor([0, 0, 0, 1])).abs().amax(1) > 1e-2,
        PIXELS: k[:, :2].abs().amax((1, 2)) > LONGEST_FOCAL,
        AWAY: (at * forward).sum(1) > 0,
    }
    if sight is None:
        return wrong, {BEHIND: torch.zeros_like(wrong[ROW])}
    off = _off(pose, sight)
    wide, long = (radius / sight.radius).log().abs(), (k[:, (0, 1), (0, 1)] / sight.focal).log().abs().amax(1)
    centre = (k[:, :2, 2] - 0.5).abs().amax(1)
    edge, worse = torch.tensor([ODD, WRONG]).double().log()
    wrong |= {
        PLACE: torch.full_like(wrong[ROW], fill_value=_at_one_place(at / radius.mean(), forward)),
        MISSES: off > OFF_WRONG,
        FAR: wide > worse,
        FOCAL: long > worse,
        CENTRE: centre > 0.3,
        DOWN: pose[:, 1, 1] > 0.5,
        STEEP: at[:, 1].abs() / radius > 0.77,
    }
    odd = {MISSES: off > OFF_ODD, FAR: wide > edge, FOCAL: long > edge, CENTRE: centre > 0.1, BEHIND: at[:, 2] < 0}
    return wrong, odd


def _off(pose: Tensor, sight: Sight) -> Tensor:
    """How far [N] from the middle of a picture the subject would be, in image sides of the generator's own camera."""
    seen = ((sight.target - pose[:, :3, 3])[:, None] @ pose[:, :3, :3])[:, 0]
    return sight.focal * seen[:, :2].norm(dim=1) / seen[:, 2].clamp(min=1e-6)


def _at_one_place(at: Tensor, forward: Tensor) -> bool:
    """Whether cameras that turn do not go around: what looks at a subject moves by as much as it turns."""
    turns = (forward - forward.mean(0)).square().sum(1).mean().sqrt()
    moves = (at - at.mean(0)).square().sum(1).mean().sqrt()
    return len(at) > 2 and bool(turns > 0.05) and bool(moves < 0.35 * turns)


def _meeting(pose: Tensor) -> Tensor:
    """The point [3] nearest to the middle rays of all poses [N, 4, 4]."""
    forward = pose[:, :3, 2:3]
    across = torch.eye(3, dtype=pose.dtype) - forward @ forward.mT
    return torch.linalg.pinv(across.sum(0), rtol=1e-3) @ (across @ pose[:, :3, 3:]).sum(0)[:, 0]


def _explanation(labels: Tensor, sight: Sight | None) -> str | None:
    """The fewest turns after which these labels [N, 25] look right."""
    labels = labels[:: -(-len(labels) // ENOUGH)]
    others = [name for name in ["", *INTRINSICS, f"pixels={_side(labels):g}"] if name != "pixels"]
    fitting = [name for name in others if _intrinsics_fit(turned(labels, name) if name else labels, sight)]
    pairs = itertools.product(_pose_turns(labels, sight) if fitting else (), fitting)
    turns = ["+".join(part for part in pair if part) for pair in pairs]
    found = [(turn.count("+"), _strangeness(turned(labels, turn), sight), turn) for turn in turns if turn]
    return min((each for each in found if each[1] is not None), default=(0, None, None))[2]


def _intrinsics_fit(labels: Tensor, sight: Sight | None) -> bool:
    """Whether most labels have the intrinsics of the generator's cameras; no turn of the pose changes them."""
    wrong, _ = _signs(labels, sight)
    return all(wrong[sign].double().mean() <= 1 - MOST for sign in (PIXELS, FOCAL, CENTRE) if sign in wrong)


def _pose_turns(labels: Tensor, sight: Sight | None) -> list[str]:
    """Turns of the pose that are worth a try: one, two, and the units or the origin measured after them."""
    turns = ["", *POSES, *("+".join(pair) for pair in itertools.permutations(POSES, 2) if "flipped" not in pair)]
    if sight is None:
        return turns
    tried = []
    for turn in turns:
        pose = (turned(labels, turn) if turn else labels)[:, :16].double().reshape(-1, 4, 4)
        away = pose[:, :3, 3].norm(dim=1).median().item()
        move = ",".join(f"{round(side, 3) + 0.0:g}" for side in (sight.target - _meeting(pose)).tolist())
        scale = f"scale={sight.radius / away:.3g}" if away > 0 else ""
        tried += ["+".join(part for part in (turn, more) if part) for more in ("", scale, f"move={move}")]
    return tried


def _side(labels: Tensor) -> float:
    """The image side in pixels, if the intrinsics are in pixels: twice the centre."""
    return max(1.0, round(2 * labels[:, 18].median().item()))


def _strangeness(labels: Tensor, sight: Sight | None) -> float | None:
    """How far these labels are from a camera that looks at the generator's subject; None where they look wrong."""
    wrong, odd = _signs(labels, sight)
    if any(wrong[sign].any() for sign in HARD) or any(rows.double().mean() > 1 - MOST for rows in wrong.values()):
        return None
    if odd[BEHIND].double().mean() > 0.5:
        return None
    pose = labels[:, :16].double().reshape(-1, 4, 4)
    upright = 1 + pose[:, 1, 1].mean().item()
    if sight is None:
        return upright
    at, focal = pose[:, :3, 3], labels[:, 16].double()
    units = (at.norm(dim=1) / sight.radius).log().abs() + (focal / sight.focal).log().abs()
    return upright + (_off(pose, sight) + units).mean().item() - at[:, 2].mean().item() / sight.radius


def _refusal(where: str, names: Sequence[str], labels: Tensor, rows: Tensor, sign: str, sight: Sight | None) -> str:
    """What is wrong, as which mistake it looks, how to turn it."""
    many = rows.double().mean() >= MOST
    turn = _explanation(labels if many else labels[rows], sight)
    others = f" (and {int(rows.sum()) - 1} more)" if rows.sum() > 1 else ""
    first = names[int(rows.nonzero()[0])]
    sign_told = "the intrinsics look like pixels" if sign == PIXELS else f"the camera {sign}"
    found = f"{where}, entry {short(first)}{others}: {sign_told}{_measured(sign, labels, rows, sight)}"
    if turn is not None:
        return f"{found}: {told(turn)}, or give --labels-as {turn}"
    if sign == PIXELS:
        return f"{found}: divide them by the image side, or give --labels-as pixels=SIDE"
    if sign in HARD:
        return f"{found}: mend the entry, or delete it to leave the photo out"
    return f"{found}: no turn explains it. Mend the labels; if they are right, give --labels-as {AS_THEY_ARE}"


def _measured(sign: str, labels: Tensor, rows: Tensor, sight: Sight | None) -> str:
    """The figure beside the generator's own, where the sign has one."""
    if sight is None or sign not in (FAR, FOCAL):
        return ""
    number = labels[rows][:, 16] if sign == FOCAL else labels[rows][:, (3, 7, 11)].norm(dim=1)
    return f" ({number.median().item():.3g}, and this generator's {sight.focal if sign == FOCAL else sight.radius:.3g})"


def _which(names: Sequence[str], rows: Tensor) -> str:
    first = short(names[int(rows.nonzero()[0])])
    return first if rows.sum() == 1 else f"{first} and {int(rows.sum()) - 1} more"
