"""Camera labels of other conventions, turned into EG3D's: the turns that `--labels-as` names, joined by `+`.

Shapes: N labels of 25 numbers, in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gpk.errors import LabelError

AS_THEY_ARE = "as-they-are"
"""Changes nothing, and has what is merely unlikely warned about instead of refused."""


@dataclass(frozen=True)
class Turn:
    """One turn: `told` is what a person would do by hand; `apply(poses [N, 4, 4], intrinsics [N, 3, 3], numbers)`
    returns both, turned; `numbers` is how many it takes after `=`.
    """

    told: str
    apply: Callable[[Tensor, Tensor, list[float]], tuple[Tensor, Tensor]]
    numbers: int = 0


def _opengl(pose: Tensor, k: Tensor, _: list[float]) -> tuple[Tensor, Tensor]:
    return pose * pose.new_tensor([1.0, -1.0, -1.0, 1.0]), k


def _flipped(pose: Tensor, k: Tensor, _: list[float]) -> tuple[Tensor, Tensor]:
    signs = pose.new_tensor([1.0, -1.0, -1.0, -1.0]).expand(4, 4).clone()
    signs[3] = 1.0
    return pose * signs, k


def _w2c(pose: Tensor, k: Tensor, _: list[float]) -> tuple[Tensor, Tensor]:
    turned = torch.eye(4, dtype=pose.dtype).repeat(len(pose), 1, 1)
    turned[:, :3, :3] = pose[:, :3, :3].mT
    turned[:, :3, 3:] = -pose[:, :3, :3].mT @ pose[:, :3, 3:]
    return turned, k


def _z_up(pose: Tensor, k: Tensor, _: list[float]) -> tuple[Tensor, Tensor]:
    world = pose.new_tensor([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    return world @ pose, k


def _scale(pose: Tensor, k: Tensor, numbers: list[float]) -> tuple[Tensor, Tensor]:
    pose = pose.clone()
    pose[:, :3, 3] *= numbers[0]
    return pose, k


def _move(pose: Tensor, k: Tensor, numbers: list[float]) -> tuple[Tensor, Tensor]:
    pose = pose.clone()
    pose[:, :3, 3] += pose.new_tensor(numbers)
    return pose, k


def _angle(half_picture: float) -> Callable[[Tensor, Tensor, list[float]], tuple[Tensor, Tensor]]:
    """What makes a focal length of an angle across twice `half_picture`, in image sides."""

    def apply(pose: Tensor, k: Tensor, _: list[float]) -> tuple[Tensor, Tensor]:
        k = k.clone()
        for i in (0, 1):
            k[:, i, i] = half_picture / torch.tan(torch.deg2rad(k[:, i, i].clamp(max=179.9)) / 2)
        return pose, k

    return apply


def _half_sides(pose: Tensor, k: Tensor, _: list[float]) -> tuple[Tensor, Tensor]:
    k = k.clone()
    k[:, :2] /= 2
    k[:, :2, 2] += 0.5
    return pose, k


def _pixels(pose: Tensor, k: Tensor, numbers: list[float]) -> tuple[Tensor, Tensor]:
    k = k.clone()
    k[:, :2] /= numbers[0]
    return pose, k


POSES = {
    "opengl": Turn("negate the pose's second and third column, for its axes are OpenGL's (y up, z backward)", _opengl),
    "flipped": Turn("negate the first three rows of the pose's last three columns", _flipped),
    "w2c": Turn("invert the pose, which is world-to-camera", _w2c),
    "transposed": Turn("write the pose row by row: it is transposed", lambda pose, k, _: (pose.mT, k)),
    "z-up": Turn("turn the world, whose z points up, so that y does: (x, y, z) becomes (x, z, -y)", _z_up),
}
MEASURED = {
    "scale": Turn("multiply the pose's translation: its units are others", _scale, 1),
    "move": Turn("add to the pose's translation: its origin is elsewhere", _move, 3),
}
INTRINSICS = {
    "fov": Turn("write focal lengths in image sides: these are angles across the side, in degrees", _angle(0.5)),
    "diagonal-fov": Turn(
        "write focal lengths in image sides: these are angles across the diagonal, in degrees", _angle(math.sqrt(0.5))
    ),
    "half-sides": Turn("halve the intrinsics and add 0.5 to the centre: they count in half sides", _half_sides),
    "pixels": Turn("divide them by the image side", _pixels, 1),
}
TURNS = POSES | MEASURED | INTRINSICS
KNOWN = "opengl, flipped, w2c, transposed, z-up, scale=F, move=X,Y,Z, fov, diagonal-fov, half-sides, pixels=SIDE"


def turned(labels: Tensor, turns: str) -> Tensor:
    """Labels [N, 25] after the `turns`, one after the other. Raises LabelError for a turn that there is not, or numbers
    with which no camera comes out.
    """
    pose, k = labels[:, :16].double().reshape(-1, 4, 4), labels[:, 16:].double().reshape(-1, 3, 3)
    for part in turns.split("+"):
        if part.strip() == AS_THEY_ARE:
            continue
        name, numbers = _read(part.strip())
        pose, k = TURNS[name].apply(pose, k, numbers)
    result = torch.cat([pose.flatten(1), k.flatten(1)], dim=1)
    if not torch.isfinite(result.float()).all():
        raise LabelError(f"--labels-as {turns[:60]!r}: of these labels it makes numbers that are not finite")
    return result.to(labels.dtype)


def told(turns: str) -> str:
    """What a person would do by hand."""
    return ", then ".join(TURNS[part.partition("=")[0]].told for part in turns.split("+"))


def _read(part: str) -> tuple[str, list[float]]:
    name, equals, text = part.partition("=")
    turn = TURNS.get(name)
    try:
        numbers = [float(number) for number in text.split(",")] if equals else []
    except ValueError:
        numbers = [math.nan]
    positive = name == "move" or all(number > 0 for number in numbers)
    if turn is None or len(numbers) != turn.numbers or not positive or not all(map(math.isfinite, numbers)):
        raise LabelError(
            f"--labels-as knows no {part[:40]!r}: give {AS_THEY_ARE}, or of these one or several joined by +: {KNOWN}"
        )
    return name, numbers
