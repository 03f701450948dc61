"""ArcFace reads what is published in the form in which it is published: the numbers here are random."""

import sys
from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn
from torch.nn import functional as F

import gpk_judges
from gpk.errors import ExtraError, InputError, UnknownNameError, WeightsError
from gpk.framing import EG3D_SHARE, Framing
from gpk.generator import fingerprint
from gpk.registry import Registry
from gpk_checkpoints.download import file_sha256
from gpk_judges.framing import ARCFACE, DLIB, Window, face_window, window

NORM = ("weight", "bias", "running_mean", "running_var")


def published_shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of `model_ir_se50.pth`, spelled out from its publisher's description of the network."""
    shapes: dict[str, tuple[int, ...]] = {"input_layer.0.weight": (64, 3, 3, 3), "input_layer.2.weight": (64,)}
    norms = {"input_layer.1": 64, "output_layer.0": 512, "output_layer.4": 512}
    widths = [64] * 3 + [128] * 4 + [256] * 14 + [512] * 3
    for index, (before, width) in enumerate(zip([64, *widths], widths, strict=False)):
        unit = f"body.{index}"
        if before != width:
            shapes[f"{unit}.shortcut_layer.0.weight"] = (width, before, 1, 1)
            norms[f"{unit}.shortcut_layer.1"] = width
        norms[f"{unit}.res_layer.0"], norms[f"{unit}.res_layer.4"] = before, width
        shapes[f"{unit}.res_layer.1.weight"] = (width, before, 3, 3)
        shapes[f"{unit}.res_layer.2.weight"] = (width,)
        shapes[f"{unit}.res_layer.3.weight"] = (width, width, 3, 3)
        shapes[f"{unit}.res_layer.5.fc1.weight"] = (width // 16, width, 1, 1)
        shapes[f"{unit}.res_layer.5.fc2.weight"] = (width, width // 16, 1, 1)
    shapes |= {"output_layer.3.weight": (512, 512 * 7 * 7), "output_layer.3.bias": (512,)}
    return shapes | {f"{norm}.{name}": (width,) for norm, width in norms.items() for name in NORM}


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(0)
    state = {}
    for name, shape in published_shapes().items():
        if name.endswith("running_var"):
            state[name] = torch.rand(shape, generator=rng) + 0.5
        elif len(shape) > 1:
            drawn = torch.randn(shape, generator=rng)
            state[name] = drawn / drawn[0].numel() ** 0.5
        else:
            state[name] = torch.randn(shape, generator=rng) * 0.1 + (0.0 if "bias" in name or "mean" in name else 1.0)
    return state


@pytest.fixture(scope="module")
def file(state: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published file is of 2018: without today's zip, and without counts of batches."""
    path = tmp_path_factory.mktemp("arcface") / "model_ir_se50.pth"
    torch.save(state, path, _use_new_zipfile_serialization=False)
    return path


@pytest.fixture(scope="module")
def judge(file: Path) -> nn.Module:
    return gpk_judges.load_arcface("eg3d", file)


def portraits(batch: int = 2, side: int = 128) -> Tensor:
    return torch.rand(batch, 3, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


def functional(state: dict[str, Tensor], faces: Tensor) -> Tensor:
    """The same network out of torch's functions, an operation a line."""

    def norm(x: Tensor, name: str) -> Tensor:
        weight, bias, mean, var = (state[f"{name}.{part}"] for part in NORM)
        return F.batch_norm(x, mean, var, weight, bias)

    x = F.conv2d(faces, state["input_layer.0.weight"], padding=1)
    x = F.prelu(norm(x, "input_layer.1"), state["input_layer.2.weight"])
    for index in range(24):
        unit, stride = f"body.{index}", 2 if index in (0, 3, 7, 21) else 1
        if f"{unit}.shortcut_layer.0.weight" in state:
            passed = F.conv2d(x, state[f"{unit}.shortcut_layer.0.weight"], stride=stride)
            passed = norm(passed, f"{unit}.shortcut_layer.1")
        else:
            passed = F.max_pool2d(x, 1, stride)
        y = F.conv2d(norm(x, f"{unit}.res_layer.0"), state[f"{unit}.res_layer.1.weight"], padding=1)
        y = F.prelu(y, state[f"{unit}.res_layer.2.weight"])
        y = F.conv2d(y, state[f"{unit}.res_layer.3.weight"], stride=stride, padding=1)
        y = norm(y, f"{unit}.res_layer.4")
        scale = F.conv2d(F.adaptive_avg_pool2d(y, 1), state[f"{unit}.res_layer.5.fc1.weight"]).relu()
        x = passed + y * F.conv2d(scale, state[f"{unit}.res_layer.5.fc2.weight"]).sigmoid()
    x = norm(x, "output_layer.0").flatten(1)
    x = norm(F.linear(x, state["output_layer.3.weight"], state["output_layer.3.bias"]), "output_layer.4")
    return x / x.norm(dim=1, keepdim=True)


def test_a_file_in_the_published_form_is_read_whole(judge: nn.Module, state: dict[str, Tensor]) -> None:
    learned = sum(parameter.numel() for parameter in judge.parameters())
    assert learned == sum(value.numel() for name, value in state.items() if "running" not in name) == 43_797_696
    faces = portraits(2, 112)
    seen = judge(faces)
    torch.testing.assert_close(seen, functional(state, faces), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(seen.norm(dim=1), torch.ones(2))
    assert (seen[0] - seen[1]).abs().max() > 0.01


def test_portraits_of_any_side_are_differentiable_and_alone_in_their_batch(judge: nn.Module) -> None:
    images = portraits().requires_grad_()
    seen = judge(images)
    torch.testing.assert_close(seen[1:], judge(images[1:]))
    (seen[0] @ seen[1].detach()).backward()
    assert images.grad is not None
    assert images.grad.isfinite().all()
    assert images.grad[0].abs().sum() > 0


def test_is_frozen_stays_in_evaluation_and_leaves_the_random_state(judge: nn.Module, file: Path) -> None:
    before = torch.get_rng_state()
    again = gpk_judges.load_arcface("ffhq", file)
    assert torch.equal(before, torch.get_rng_state())
    assert not any(parameter.requires_grad for parameter in again.parameters())
    nn.Sequential(again).train()
    assert not any(module.training for module in again.modules())
    assert not any(tensor.is_meta for tensor in (*again.parameters(), *again.buffers()))
    assert fingerprint(again) == fingerprint(judge) != ""


def test_an_ffhq_portrait_is_cropped_to_what_a_recogniser_knows(judge: nn.Module, file: Path) -> None:
    """A portrait whose margin is repainted is the same face; EG3D's have no margin."""
    ffhq = gpk_judges.load_arcface("ffhq", file)
    images = portraits(1)
    repainted = torch.ones_like(images)
    repainted[..., 15:113, 15:113] = images[..., 15:113, 15:113]
    assert torch.equal(ffhq(images), ffhq(repainted))
    assert (judge(images) - judge(repainted)).abs().max() > 1e-3


def test_the_window_follows_from_where_eyes_and_mouth_are() -> None:
    assert face_window("eg3d") == Window(0, 0, 1)
    window = face_window("ffhq")
    assert window.side == pytest.approx(112 / (3.6 * 40.687), abs=1e-3)
    # FFHQ's rule: a tenth of the way from the eyes to the mouth is the middle.
    assert window.top + window.side * (51.6 + 4.07) / 112 == pytest.approx(0.5, abs=1e-3)
    assert window.left + window.side * 55.94 / 112 == pytest.approx(0.5, abs=1e-3)
    assert window.cut(portraits(1, 256)).shape == (1, 3, 196, 196)


def test_the_cache_is_looked_into_and_named(file: Path, cache: Path, judge: nn.Module) -> None:
    with pytest.raises(ExtraError, match=r"get model_ir_se50\.pth .* https://.*arcface=FILE, or put .* into .*judges"):
        gpk_judges.load_arcface()
    (cache / "judges").mkdir(parents=True)
    (cache / "judges" / "model_ir_se50.pth").symlink_to(file)
    assert fingerprint(gpk_judges.load_arcface()) == fingerprint(judge)


def test_what_is_wrong_with_a_file_is_told(tmp_path: Path, state: dict[str, Tensor]) -> None:
    with pytest.raises(WeightsError, match=r"no weights of ArcFace at .*absent\.pth: get"):
        gpk_judges.load_arcface("eg3d", tmp_path / "absent.pth")
    plain = {name: value for name, value in state.items() if "body.0" in name and "fc" not in name}
    torch.save(plain, tmp_path / "plain.pth")
    with pytest.raises(WeightsError, match=r"plain\.pth is not ArcFace's IR-SE50: \d+ of \d+ tensors are missing"):
        gpk_judges.load_arcface("eg3d", tmp_path / "plain.pth")


def test_framings_are_variants_of_the_card(file: Path) -> None:
    registry = Registry.discover()
    card = registry.judge("arcface:ffhq")
    assert card.name == "arcface:ffhq"
    assert card.load(file)(portraits(1)).shape == (1, 512)
    with pytest.raises(UnknownNameError, match=r"unknown framing of portraits 'fhq': did you mean 'ffhq'\?"):
        registry.judge("arcface:fhq")


def exchange_file(path: Path, batch: str | int = "batch", side: int = 112, outputs: int = 1) -> Path:
    """Means over sixteen squares of a face, each channel's: 48 features."""
    nodes = [
        helper.make_node("AveragePool", ["face"], ["pooled"], kernel_shape=[side // 4] * 2, strides=[side // 4] * 2),
        helper.make_node("Flatten", ["pooled"], ["features0"]),
        helper.make_node("Flatten", ["pooled"], ["features1"]),
    ]
    given = [helper.make_tensor_value_info(f"features{n}", TensorProto.FLOAT, [batch, 48]) for n in range(outputs)]
    taken = helper.make_tensor_value_info("face", TensorProto.FLOAT, [batch, 3, side, side])
    graph = helper.make_graph(nodes[: 1 + outputs], "recogniser", [taken], given)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


@pytest.mark.parametrize("batch", ["batch", 1])
def test_an_onnx_file_is_a_judge(tmp_path: Path, batch: str | int) -> None:
    path = exchange_file(tmp_path / "means.onnx", batch)
    judge = gpk_judges.load_arcface("eg3d", path)
    images = portraits(3, 112)
    means = F.avg_pool2d(images, 28).flatten(1)
    torch.testing.assert_close(judge(images), means / means.norm(dim=1, keepdim=True))
    assert not judge(images.requires_grad_()).requires_grad
    assert fingerprint(judge) == file_sha256(path)


def test_an_onnx_file_of_something_else_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "noise.onnx").write_bytes(b"\x80\x02}")
    with pytest.raises(WeightsError, match=r"noise\.onnx is no ONNX file that can be run: .*Get it anew"):
        gpk_judges.load_arcface("eg3d", tmp_path / "noise.onnx")
    for wrong in ({"side": 64}, {"batch": 4}, {"outputs": 2}):
        path = exchange_file(tmp_path / "odd.onnx", **wrong)
        with pytest.raises(WeightsError, match=r"odd\.onnx takes \[\[.*\]\] and gives \[\[.*a recogniser takes faces"):
            gpk_judges.load_arcface("eg3d", path)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ExtraError, match=r'need onnxruntime .*pip install "gpk\[onnx\]"'):
        gpk_judges.load_arcface("eg3d", path)


def test_the_generator_tells_how_its_portraits_are_framed() -> None:
    registry = Registry.discover(plugins=False)
    for name in ("arcface", "dlib-id"):
        card = registry.judge(name, Framing("ffhq", scale=0.8))
        assert card.name == name
        assert "0.80 of an FFHQ picture" in card.summary
        assert registry.judge(name).summary != card.summary  # a framing that is not known
        assert registry.judge(f"{name}:ffhq", Framing("square")).name == f"{name}:ffhq"  # the user's word
        with pytest.raises(InputError, match=f"{name} is for portraits framed by eyes and mouth.*or {name}:eg3d"):
            registry.judge(name, Framing("square", scale=1.4))
    assert registry.judge("timm", Framing("square")) == registry.judge("timm")


def test_a_window_follows_the_framing() -> None:
    assert window(Framing("ffhq", scale=EG3D_SHARE), ARCFACE) == window("eg3d", ARCFACE)
    wide, near = window(Framing("ffhq"), DLIB), window(Framing("ffhq", scale=0.8, shift=(0.1, 0.0)), DLIB)
    assert near.side == pytest.approx(wide.side / 0.8)
    assert near.left + near.side / 2 == pytest.approx(0.5 + (wide.left + wide.side / 2 - 0.5) / 0.8 - 0.1)
