"""dlib's recogniser is read from a file in dlib's format; the numbers here are random."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import gpk_judges
from gpk.errors import ExtraError, UnknownNameError, WeightsError
from gpk.generator import fingerprint
from gpk.registry import Registry
from gpk_checkpoints import packaged
from gpk_judges.arcface import FaceJudge
from gpk_judges.dlib_id import MEAN_FACE, Centred, load
from gpk_judges.framing import DLIB, Window, window

WIDTHS = [32] * 3 + [64] * 4 + [128] * 3 + [256] * 4
DOWN = (3, 7, 10, 13)
"""The blocks that halve the sides."""
NAME = "dlib_face_recognition_resnet_model_v1.dat"


def whole_numbers(*values: int) -> bytes:
    """As dlib's serialize.h writes them: how many bytes, and these, the least first."""
    return b"".join(
        bytes([1 + (value > 255) + (value > 65535)]) + value.to_bytes(4, "little").rstrip(b"\0") for value in values
    )


def stored(name: str, numbers: Tensor, *before: int, rows: int = 1) -> bytes:
    shape = (numbers.numel() // rows, rows, 1, 1) if rows > 1 else (numbers.numel(), 1, 1, 1)
    head = whole_numbers(len(name)) + name.encode() + whole_numbers(*before, 2, *shape)
    return head + numbers.flatten().numpy().tobytes()


@pytest.fixture(scope="module")
def learned() -> list[Tensor]:
    """Weights, biases, scales and shifts of 29 convolutions, and the last layer's [256, 128]."""
    rng = torch.Generator().manual_seed(0)
    shapes = [(32, 3, 7, 7)]
    for before, width in zip([32, *WIDTHS], WIDTHS, strict=False):
        shapes += [(width, before, 3, 3), (width, width, 3, 3)]
    found = []
    for shape in shapes:
        drawn = torch.randn(shape, generator=rng)
        found += [drawn / drawn[0].numel() ** 0.5, *(torch.randn(shape[0], generator=rng) * 0.1 for _ in range(3))]
        found[-2] += 1
    return [*found, torch.randn(256, 128, generator=rng) / 16]


@pytest.fixture(scope="module")
def content(learned: list[Tensor]) -> bytes:
    """With bytes of other settings between the layers, so that numbers begin at odd places."""
    parts = [b"\1\1\1\rloss_metric_2"]
    for weight, bias, scale, shift in zip(*(learned[i:-1:4] for i in range(4)), strict=True):
        parts += [stored("con_4", torch.cat([weight.flatten(), bias])), b"\1\7" * 51 + b"\1"]
        parts += [stored("affine_", torch.cat([scale, shift])), b"\1\x05relu_" * 20]
    return b"".join([*parts, stored("fc_2", learned[-1], 128, 256, rows=128), b"\1\0" * 36])


@pytest.fixture(scope="module")
def file(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dlib") / NAME
    path.write_bytes(content)
    return path


@pytest.fixture(scope="module")
def judge(file: Path) -> FaceJudge:
    return load(file, "whole")


@pytest.fixture(scope="module")
def centred(judge: FaceJudge) -> Centred:
    """What is in the judge, its crop aside."""
    assert isinstance(judge.network, Centred)
    return judge.network


def portraits(batch: int = 2, side: int = 150) -> Tensor:
    return torch.rand(batch, 3, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


def descriptors(learned: list[Tensor], faces: Tensor) -> Tensor:
    """The network out of torch's functions, scales and shifts apart from the convolutions, as dlib has them."""
    layers = iter(zip(*(learned[i:-1:4] for i in range(4)), strict=True))

    def layer(x: Tensor, stride: int, padding: int) -> Tensor:
        weight, bias, scale, shift = next(layers)
        return F.conv2d(x, weight, bias, stride, padding) * scale[:, None, None] + shift[:, None, None]

    x = (faces * 127.5 + 127.5 - torch.tensor([122.782, 117.001, 104.298])[:, None, None]) / 256
    x = F.max_pool2d(layer(x, 2, 0).relu(), 3, 2)
    for index, width in enumerate(WIDTHS):
        down = index in DOWN
        y = layer(layer(x, 1 + down, 1 - down).relu(), 1, 1)
        passed = F.avg_pool2d(x, 2) if down else x
        total = torch.zeros(len(x), width, *(max(y.shape[i], passed.shape[i]) for i in (2, 3)))
        total[:, :, : y.shape[2], : y.shape[3]] += y
        total[:, : passed.shape[1], : passed.shape[2], : passed.shape[3]] += passed
        x = total.relu()
    return x.mean((2, 3)) @ learned[-1]


def test_a_file_of_dlibs_is_read_whole(judge: FaceJudge, centred: Centred, learned: list[Tensor]) -> None:
    assert sum(parameter.numel() for parameter in judge.parameters()) == 22_458_368 // 4 - 2 * 3552
    faces = portraits()
    seen = judge(faces)
    mean = centred.mean
    assert mean.shape == (128,)
    torch.testing.assert_close(seen, F.normalize(descriptors(learned, faces) - mean, dim=1), rtol=1e-3, atol=1e-5)
    assert (seen[0] - seen[1]).abs().max() > 1e-3


def test_the_mean_face_is_taken_away(centred: Centred) -> None:
    faces = portraits()
    torch.testing.assert_close(centred(faces), centred.network(faces) - centred.mean)
    assert 0.5 < centred.mean.norm() < 1.5
    assert "ORL" in MEAN_FACE.read_text()


def test_portraits_of_any_side_are_differentiable_and_alone_in_their_batch(file: Path) -> None:
    judge = gpk_judges.load_dlib_id("eg3d", file)
    images = portraits(2, 64).requires_grad_()
    seen = judge(images)
    torch.testing.assert_close(seen[1:], judge(images[1:]))
    (seen[0] @ seen[1].detach()).backward()
    assert images.grad is not None
    assert images.grad.isfinite().all()
    assert images.grad[0].abs().sum() > 0


def test_is_frozen_stays_in_evaluation_and_leaves_the_random_state(judge: FaceJudge, file: Path) -> None:
    before = torch.get_rng_state()
    again = gpk_judges.load_dlib_id("ffhq", file)
    assert torch.equal(before, torch.get_rng_state())
    assert not any(parameter.requires_grad for parameter in again.parameters())
    nn.Sequential(again).train()
    assert not any(module.training for module in again.modules())
    assert not any(tensor.is_meta for tensor in (*again.parameters(), *again.buffers()))
    assert fingerprint(again) == fingerprint(judge) != ""


def test_the_chip_lies_where_dlibs_mean_face_says() -> None:
    """dlib's own corners of the eyes and its nose stand in the chip where `get_face_chip_details` puts them."""
    eyes, nose = ((0.1205750620789, 0.2137274526848), (0.8595674595992, 0.2134981538014)), (0.4901123135679, 0.6277975)
    ffhq, eg3d = window("ffhq", DLIB), window("eg3d", DLIB)
    assert ffhq.side == pytest.approx(1.5 / (4 * 0.529269), abs=1e-4)
    assert eg3d.side == pytest.approx(ffhq.side * 1024 / 700)
    for seen in (ffhq, eg3d):
        x, y = (
            start + (place + 0.25) / 1.5 * seen.side for start, place in zip((seen.left, seen.top), nose, strict=True)
        )
        left, right = (seen.left + (x + 0.25) / 1.5 * seen.side for x, _ in eyes)
        assert (left + right) / 2 == pytest.approx(0.5, abs=1e-3)
        assert x == pytest.approx(0.5, abs=1e-3)
        assert 0.5 < y < 0.8


def test_beyond_a_portrait_lies_its_mirror_image() -> None:
    picture = torch.arange(25.0).view(1, 1, 5, 5)
    beyond = Window(-0.2, 0.2, 1.2).cut(picture)[0, 0]
    assert beyond.tolist()[0] == [6, 5, 6, 7, 8, 9]
    assert beyond[:, 1].tolist() == [5, 10, 15, 20, 15, 10]


def test_what_is_wrong_with_a_file_is_told(tmp_path: Path, content: bytes, file: Path) -> None:
    with pytest.raises(WeightsError, match=r'no weights of dlib\'s at .*absent\.dat\. Get dlib_.*"gpk\[dlib-id\]"'):
        gpk_judges.load_dlib_id("eg3d", tmp_path / "absent.dat")
    other = tmp_path / "other.dat"
    for damaged, told in (
        (b"\x89PNG" + bytes(5000), r"other\.dat is not dlib's recogniser of faces, but a picture \(PNG\): its layer 1"),
        (content[:100_000], "other.dat is not dlib's recogniser of faces: it ends in its layer"),
        (content.replace(b"\x07affine_\x01\x02\x02\x00\x01", b"\x07affine_\x01\x02\x02\x00\x09", 1), "its layer 32 is"),
        (content[:18] + bytes(600) + content[18:], "its layer 1 is another one, or none"),
        (bytes(2**25 + 1), "larger than such a file is"),
    ):
        other.write_bytes(damaged)
        with pytest.raises(WeightsError, match=told):
            gpk_judges.load_dlib_id("eg3d", other)


def test_without_a_file_the_package_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> None:
        raise packaged.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(packaged.metadata, "distribution", none)
    with pytest.raises(ExtraError, match=r'dlib-id needs .* of face-recognition-models 0\.3\.0 .*"gpk\[dlib-id\]"'):
        gpk_judges.load_dlib_id()


def test_framings_are_variants_of_the_card(file: Path) -> None:
    registry = Registry.discover()
    for framing in ("eg3d", "ffhq", "whole"):
        card = registry.judge(f"dlib-id:{framing}")
        assert card.name == f"dlib-id:{framing}"
        assert card.load(file)(portraits(1)).shape == (1, 128)
    with pytest.raises(UnknownNameError, match=r"unknown framing of portraits 'hole': did you mean 'whole'\?"):
        registry.judge("dlib-id:hole")
