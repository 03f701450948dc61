"""OpenCV on real photographs, a face and a cat that scikit-image ships; YuNet without its file, and as a constant."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gpk.detector import Found
from gpk.errors import ExtraError, WeightsError
from gpk.framing import EG3D_SHARE, Framing
from gpk.registry import Registry
from gpk_photos import detectors
from gpk_photos.crop import cropped
from gpk_photos.decode import tensor

skimage = pytest.importorskip("skimage.data")
pytest.importorskip("cv2")


def real(name: str) -> Image.Image:
    return Image.fromarray(getattr(skimage, name)())


def test_a_face_is_found_by_its_eyes_and_framed_as_ffhq_does() -> None:
    photo = real("astronaut")
    found = Registry.discover(plugins=False).detector("opencv-face").load(None)(tensor(photo))
    assert len(found) == 1
    assert found[0].landmarks is not None
    for mark, eye in zip(found[0].landmarks, ((201, 100), (245, 103)), strict=True):
        assert math.dist(mark, eye) < 5
    square = Framing("ffhq").square(found[0])
    assert (square.x, square.y) == pytest.approx((223, 107), abs=8)
    assert square.side == pytest.approx(185, abs=20)
    assert square.roll == pytest.approx(3, abs=4)
    assert Framing("ffhq", scale=EG3D_SHARE).square(found[0]).side == pytest.approx(square.side * 700 / 1024)


def test_a_cat_that_leans_is_found_and_stands_upright_in_the_crop() -> None:
    photo = real("chelsea")
    detect = Registry.discover(plugins=False).detector("opencv-cat").load(None)
    found = detect(tensor(photo))
    assert math.dist(found[0].centre, (244, 150)) < 25
    assert 260 < found[0].side < 360
    assert 5 <= found[0].roll <= 15  # the eyes are at (170, 115) and (318, 137)
    _, mask = cropped(photo, Framing(scale=1.4).square(found[0]), 64)
    assert 0.5 < mask.mean() < 0.9  # ears and chin are cut off in the photo
    assert detect(torch.zeros(3, 64, 48)) == ()


def test_large_and_grey_photos_are_looked_at_too() -> None:
    photo = real("astronaut").convert("L").convert("RGB").crop((100, 20, 340, 260)).resize((1500, 1500))
    (found, *_) = Registry.discover(plugins=False).detector("opencv-face").load(None)(tensor(photo))
    assert found.centre == pytest.approx(((225 - 100) * 6.25, (114 - 20) * 6.25), abs=60)


def test_what_finds_without_a_file_refuses_one() -> None:
    registry = Registry.discover(plugins=False)
    for name in ("opencv-face", "opencv-cat"):
        with pytest.raises(
            WeightsError, match=f"{name} has its cascades from OpenCV and takes no file: leave x.onnx out"
        ):
            registry.detector(name).load(Path("x.onnx"))


def test_without_opencv_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ExtraError, match=r'this detector needs OpenCV: pip install "gpk\[photos\]"'):
        Registry.discover(plugins=False).detector("opencv-cat").load(None)


def test_yunet_says_where_its_model_is(tmp_path: Path, cache: Path) -> None:
    load = Registry.discover(plugins=False).detector("yunet").load
    told = r"get face_detection_yunet_2023mar.onnx \(0.2 MB, licence MIT\) from https://github.com/opencv/opencv_zoo"
    with pytest.raises(ExtraError, match=f"yunet comes without its model: {told}.*put it into {cache / 'detectors'}"):
        load(None)
    with pytest.raises(WeightsError, match=f"no model of yunet at {tmp_path / 'gone.onnx'}: {told}"):
        load(tmp_path / "gone.onnx")
    (tmp_path / "text.onnx").write_bytes(b"no model at all")
    with pytest.raises(WeightsError, match=r"text\.onnx is no model of YuNet's: get face_detection_yunet_2023mar.onnx"):
        load(tmp_path / "text.onnx")


def test_yunets_numbers_become_a_face(tmp_path: Path) -> None:
    """A network of YuNet's inputs and outputs which says the same of any picture: one face at the third cell of the
    second row of its finest grid.
    """
    file = tmp_path / "constant.onnx"
    write_constant_yunet(file, row=1, column=2)
    (found,) = Registry.discover(plugins=False).detector("yunet").load(file)(torch.zeros(3, SIDE, SIDE))
    # A cell of 8 pixels; offsets and eyes in cells, sizes as logarithms of cells.
    assert found.box == pytest.approx((16 + 4 - 16, 8 + 4 - 12, 16 + 4 + 16, 8 + 4 + 12), abs=1e-3)
    assert found.landmarks is not None
    left, right, _, mouth_left, mouth_right = found.landmarks
    assert left == pytest.approx((16 - 8, 8))
    assert right == pytest.approx((16 + 8, 8))
    assert mouth_left[0] < mouth_right[0]
    assert found.score == pytest.approx(0.9, abs=1e-3)


SIDE = 64


def write_constant_yunet(file: Path, *, row: int, column: int) -> None:
    onnx = pytest.importorskip("onnx")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    nodes, outputs, constants = [], [], [numpy_helper.from_array(np.zeros(1, np.float32), "nought")]
    nodes.append(helper.make_node("GlobalAveragePool", ["input"], ["mean"]))
    nodes.append(helper.make_node("ReduceSum", ["mean"], ["sum"], keepdims=0))
    nodes.append(helper.make_node("Mul", ["sum", "nought"], ["zero"]))
    for kind, width in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
        for stride in (8, 16, 32):
            cells = SIDE // stride
            value = np.zeros((1, cells * cells, width), np.float32)
            if stride == 8:
                at = row * cells + column
                value[0, at] = {
                    "cls": [0.9],
                    "obj": [0.9],
                    "bbox": [0.5, 0.5, math.log(4), math.log(3)],
                    "kps": [-1, 0, 1, 0, 0, 1, -0.8, 2, 0.8, 2],
                }[kind]
            name = f"{kind}_{stride}"
            constants.append(numpy_helper.from_array(value, f"value_{name}"))
            nodes.append(helper.make_node("Add", [f"value_{name}", "zero"], [name]))
            outputs.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, list(value.shape)))
    given = helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    graph = helper.make_graph(nodes, "constant", [given], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)])
    model.ir_version = 8
    file.write_bytes(model.SerializeToString())


def test_where_a_person_is_certain_there_is_no_cat(monkeypatch: pytest.MonkeyPatch) -> None:
    person: list[Found] = []
    monkeypatch.setattr(detectors, "_people", lambda: lambda picture: person)
    detect, photo = detectors.load_cat(), tensor(real("chelsea"))
    cats = detect(photo)
    (left, top, right, bottom), (x, y) = cats[0].box, cats[0].centre
    person[:] = [Found((left + 40, top + 40, right - 40, bottom - 40), landmarks=((x - 9, y), (x + 9, y)))]
    assert cats[0] not in detect(photo)
    person[:] = [Found((right + 5, top, right + 50, top + 45))]  # who holds the cat
    assert cats[0] in detect(photo)
