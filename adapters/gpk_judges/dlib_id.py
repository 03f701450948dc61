"""dlib's recogniser of faces: who is this? From a package, so that there is a judge of people without a search.

    cos(f(a), f(b)) is high for two pictures of one person,      f(a) = d(a) - mean,  of length 1

d is dlib's descriptor (`dlib_network`). Descriptors of all people point nearly the same way: two photographs of one
person have a cosine of 0.975, and two of strangers one of 0.848, a likeness that means nothing. Less the mean of other
people's descriptors these are 0.836 and 0.040. The order of pairs is hardly another, but the figure can be read
(`tests/real/mean_face.py`). The mean is that of people s1 to s20 of ORL (Samaria and Harter, 1994), of a laboratory in
Cambridge, mostly men; for pictures of those twenty it is no longer a mean of others. Strangers who are unlike all of
them may have cosines of 0.5 to 0.8, for the network itself hardly tells them apart (docs/new-judge.md).

The network was trained on pictures of people who were not asked: FaceScrub's, VGG's, and others from the web.

Shapes: B batch, R side.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from gpk.errors import WeightsError
from gpk.framing import Framing
from gpk_checkpoints.packaged import Packaged
from gpk_judges.arcface import FaceJudge
from gpk_judges.dlib_network import SIDE, Recogniser, read_recogniser
from gpk_judges.framing import DLIB, WHOLE, Named, window

WEIGHTS = Packaged(
    package="face-recognition-models",
    version="0.3.0",
    path="face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat",
    sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
    licence="CC0",
    extra="dlib-id",
)
MEAN_FACE = Path(__file__).with_name("mean_face.json")
"""128 numbers, and whose mean they are."""


class Centred(nn.Module):
    """The recogniser's descriptors less the mean face's."""

    mean: Tensor

    def __init__(self, network: Recogniser) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(json.loads(MEAN_FACE.read_text())["mean"]))

    def forward(self, faces: Tensor) -> Tensor:
        """[B, 3, 150, 150] in [-1, 1] → [B, 128]."""
        return self.network(faces) - self.mean


def load(weights: Path | None, framing: Framing | Named | Literal["whole"]) -> FaceJudge:
    """The judge of portraits with this framing, or of pictures that are dlib's chips, the `whole` of which it sees.
    `weights` is dlib's file; where None, the package's.

    Raises ExtraError where there is no package, WeightsError where the file is of something else.
    """
    remedy = f"Get {Path(WEIGHTS.path).name} of {WEIGHTS.package}: {WEIGHTS.remedy}"
    if weights is not None and not weights.is_file():
        raise WeightsError(f"no weights of dlib's at {weights}. {remedy}")
    network = read_recogniser(weights or WEIGHTS.find("dlib-id"), remedy=remedy)
    place = WHOLE if framing == "whole" else window(framing, DLIB)
    whence = weights.name if weights is not None else f"{WEIGHTS.package} {WEIGHTS.version}"
    return FaceJudge(Centred(network), place, whence, side=SIDE)
