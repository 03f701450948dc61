"""MTCNN: three small networks that find faces, lying or leaning too, with their eyes, nose and mouth (Zhang et al.,
2016, arXiv 1604.02878).

The first looks at every 12 x 12 pixels of the photo in many sizes, the second and the third look again at what is left,
at 24 and at 48 pixels, and each moves the boxes. Weights are in `facenet-pytorch` (MIT), of which only those three
files are read, for the package asks for a torch of long ago.

Shapes: H and W sides of a picture, K candidates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from gpk.detector import Found
from gpk.errors import WeightsError
from gpk_checkpoints.packaged import Packaged
from gpk_judges.weights import read_state_dict
from gpk_photos.detectors import FACE_SIDE, best

if TYPE_CHECKING:
    from gpk.detector import Detector

State = Mapping[str, Tensor]
SHA256 = {
    "pnet": "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
    "rnet": "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",
    "onet": "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",
}
POOLS = {"pnet": (2, 0, 0), "rnet": (3, 3, 0), "onet": (3, 3, 2, 0)}
"""The window of the pool after each convolution, 0 for none."""
CELL, STRIDE = 12, 2
"""Pixels that the first network sees at once, and from one place to the next."""
SMALLEST, FACTOR = 20, 0.709
"""Pixels of the smallest face that is looked for, and from one size of the photo to the next: half the area."""
SURE = {"pnet": 0.6, "rnet": 0.7, "onet": 0.9}
"""What a candidate's score has to be after each network. The last one's is usually 0.7, by which a wheel is a face."""
MOST = 1000
"""Candidates that are looked at again, the surest of each size and of all: a photo full of leaves has ten thousands."""


def load_mtcnn(model: Path | None) -> Detector:
    """MTCNN: boxes and five landmarks; raises ExtraError without the package, WeightsError for a `model`."""
    if model is not None:
        raise WeightsError(f"mtcnn has its networks from facenet-pytorch and takes no file: leave {model} out")
    return partial(detect, {name: _state(name) for name in SHA256})


def _state(name: str) -> State:
    file = Packaged("facenet-pytorch", "2.6.0", f"facenet_pytorch/data/{name}.pt", SHA256[name], "MIT")
    return read_state_dict(file.find("mtcnn"))


@torch.no_grad()
def detect(states: Mapping[str, State], picture: Tensor) -> Sequence[Found]:
    """What three networks with these weights find in a picture [3, H, W] in [-1, 1], the surest first."""
    height, width = picture.shape[-2:]
    scale = min(1.0, FACE_SIDE / max(height, width))
    # Values as the networks were trained on them: bytes less 127.5, over 128.
    photo = _resized(picture[None].float().cpu().clamp(-1, 1) * (127.5 / 128), scale)
    boxes, _, moves = _proposed(states["pnet"], photo)
    boxes = _squared(boxes + moves * _sides(boxes))
    boxes, scores, moves, _ = _looked(states, "rnet", photo, boxes, 24)
    kept = _apart(boxes, scores, 0.7)
    boxes = _squared(boxes[kept] + moves[kept] * (_sides(boxes[kept]) + 1))
    boxes, scores, moves, marks = _looked(states, "onet", photo, boxes, 48)
    sides, corner = _sides(boxes)[:, :2] + 1, boxes[:, None, :2] - 1
    points = marks.view(-1, 2, 5).mT * sides[:, None] + corner
    boxes = boxes + moves * (_sides(boxes) + 1)
    kept = _apart(boxes, scores, 0.7, smaller=True)
    found = []
    for (left, top, right, bottom), score, five in zip(
        boxes[kept].tolist(), scores[kept].tolist(), points[kept].tolist(), strict=True
    ):
        eyes_nose_mouth = tuple((x, y) for x, y in five)
        found.append(Found((left, top, right, bottom), score, eyes_nose_mouth).scaled(1 / scale))
    return best(found)


def _proposed(state: State, photo: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes [K, 4], scores [K] and moves [K, 4], in shares of the boxes, of the first network over all sizes."""
    boxes, scores, moves = [torch.zeros(0, 4)], [torch.zeros(0)], [torch.zeros(0, 4)]
    scale = CELL / SMALLEST
    while min(photo.shape[-2:]) * scale >= CELL:
        height, width = (int(side * scale + 1) for side in photo.shape[-2:])
        x = _convolved(state, F.interpolate(photo, (height, width), mode="area"), POOLS["pnet"])
        sure = _headed(state, "conv4_1", x).softmax(1)[0, 1]
        move = _headed(state, "conv4_2", x)[0].permute(1, 2, 0)
        there = (sure >= SURE["pnet"]).nonzero()
        there = there[sure[tuple(there.T)].argsort(descending=True)[:MOST]]
        corner = STRIDE * there.flip(1) + 1
        box = torch.cat([(corner / scale).floor(), ((corner + CELL - 1) / scale).floor()], 1)
        score = sure[tuple(there.T)]
        kept = _apart(box, score, 0.5)
        boxes.append(box[kept])
        scores.append(score[kept])
        moves.append(move[tuple(there.T)][kept])
        scale *= FACTOR
    surest = torch.cat(scores).argsort(descending=True)[:MOST]
    box, score, move = (torch.cat(each)[surest] for each in (boxes, scores, moves))
    kept = _apart(box, score, 0.7)
    return box[kept], score[kept], move[kept]


def _looked(
    states: Mapping[str, State], name: str, photo: Tensor, boxes: Tensor, side: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of the boxes [K, 4] those that the network is sure of, with scores [K], moves [K, 4] and landmarks [K, 10], x of
    all five and then y, in shares of the boxes; no landmarks from the second network.
    """
    state, last = states[name], 6 if name == "onet" else 5
    height, width = photo.shape[-2:]
    whole = boxes.trunc().long()
    low, high = whole[:, :2].clamp_min(1) - 1, whole[:, 2:].clamp_max(torch.tensor([width, height]))
    inside = (high > low).all(1)
    boxes, low, high = boxes[inside], low[inside], high[inside]
    if not len(boxes):
        return boxes, boxes[:, 0], boxes, boxes.new_zeros(0, 10)
    corners = torch.cat([low, high], 1).tolist()
    cuts = [F.interpolate(photo[..., y:b, x:r], (side, side), mode="area") for x, y, r, b in corners]
    x = _convolved(state, torch.cat(cuts), POOLS[name]).permute(0, 3, 2, 1).flatten(1)
    x = F.prelu(_headed(state, f"dense{last - 1}", x), state[f"prelu{last - 1}.weight"])
    scores = _headed(state, f"dense{last}_1", x).softmax(1)[:, 1]
    sure = scores > SURE[name]
    marks = _headed(state, "dense6_3", x) if name == "onet" else x[:, :0]
    return boxes[sure], scores[sure], _headed(state, f"dense{last}_2", x)[sure], marks[sure]


def _convolved(state: State, x: Tensor, pools: Sequence[int]) -> Tensor:
    for number, window in enumerate(pools, 1):
        x = _headed(state, f"conv{number}", x)
        x = F.prelu(x, state[f"prelu{number}.weight"])
        if window:
            x = F.max_pool2d(x, window, 2, ceil_mode=True)
    return x


def _headed(state: State, name: str, x: Tensor) -> Tensor:
    layer = F.conv2d if name.startswith("conv") else F.linear
    return layer(x, state[f"{name}.weight"], state[f"{name}.bias"])


def _resized(photo: Tensor, scale: float) -> Tensor:
    size = [max(1, round(side * scale)) for side in photo.shape[-2:]]
    return photo if scale == 1 else F.interpolate(photo, size, mode="area")


def _sides(boxes: Tensor) -> Tensor:
    """Width, height, width, height of boxes [K, 4]."""
    return (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)


def _squared(boxes: Tensor) -> Tensor:
    """Squares around the middles of boxes [K, 4], of their longer sides."""
    half = _sides(boxes).amax(1, keepdim=True) / 2
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    return torch.cat([middle - half, middle + half], 1)


def _apart(boxes: Tensor, scores: Tensor, most: float, *, smaller: bool = False) -> Tensor:
    """The places of boxes [K, 4] of which none shares more than `most` with a surer one, the surest first: of what both
    cover, or of the `smaller` one of the two.
    """
    order = scores.argsort(descending=True)
    own = boxes[order]
    area = (own[:, 2:] - own[:, :2]).clamp_min(0).prod(1)
    shared = torch.minimum(own[:, None, 2:], own[None, :, 2:]) - torch.maximum(own[:, None, :2], own[None, :, :2])
    common = shared.clamp_min(0).prod(2)
    whole = torch.minimum(area[:, None], area) if smaller else area[:, None] + area - common
    over = common > most * whole
    kept: list[int] = []
    for place in range(len(own)):
        if not over[place, kept].any():
            kept.append(place)
    return order[kept]
