"""MTCNN with weights drawn by lot: what holds whatever they are; tests/real has the package's own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from gpk.errors import ExtraError, WeightsError
from gpk.registry import Registry
from gpk_checkpoints.packaged import Packaged
from gpk_photos.mtcnn import _apart, detect

PNET = {"conv1": (10, 3, 3), "conv2": (16, 10, 3), "conv3": (32, 16, 3), "conv4_1": (2, 32, 1), "conv4_2": (4, 32, 1)}
RNET = {"conv1": (28, 3, 3), "conv2": (48, 28, 3), "conv3": (64, 48, 2), "dense4": (128, 576), "dense5_1": (2, 128)}
RNET |= {"dense5_2": (4, 128)}
ONET = {"conv1": (32, 3, 3), "conv2": (64, 32, 3), "conv3": (64, 64, 3), "conv4": (128, 64, 2), "dense5": (256, 1152)}
ONET |= {"dense6_1": (2, 256), "dense6_2": (4, 256), "dense6_3": (10, 256)}


def drawn(layers: dict[str, tuple[int, ...]], rng: torch.Generator) -> dict[str, Tensor]:
    state = {}
    for name, shape in layers.items():
        sides = (*shape, shape[-1]) if len(shape) == 3 else shape
        weight = torch.randn(sides, generator=rng)
        state[f"{name}.weight"] = weight / weight[0].numel() ** 0.5
        state[f"{name}.bias"] = torch.zeros(shape[0])
        if "_" not in name:
            state[f"prelu{name[-1]}.weight"] = torch.full((shape[0],), 0.25)
    return state


@pytest.fixture(scope="module")
def states() -> dict[str, dict[str, Tensor]]:
    """Three networks that are sure of everything, so that every stage has as much to do as it ever can."""
    rng = torch.Generator().manual_seed(1)
    made = {name: drawn(layers, rng) for name, layers in (("pnet", PNET), ("rnet", RNET), ("onet", ONET))}
    for name, head in (("pnet", "conv4_1"), ("rnet", "dense5_1"), ("onet", "dense6_1")):
        made[name][f"{head}.bias"] = torch.tensor([-5.0, 5.0])
    return made


@pytest.mark.parametrize("size", [(3, 1, 1), (3, 8, 200), (3, 20, 20), (3, 300, 200), (3, 40, 3000)])
def test_pictures_of_any_size_are_looked_at(states: dict[str, dict[str, Tensor]], size: tuple[int, ...]) -> None:
    picture = torch.rand(size, generator=torch.Generator().manual_seed(2)) * 2 - 1
    before = picture.clone()
    found = detect(states, picture)
    assert bool(found) == (min(size[1:]) >= 20 and max(size[1:]) < 40 * 20)
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    assert all(each.landmarks is not None and len(each.landmarks) == 5 for each in found)
    assert torch.equal(picture, before)


def test_of_boxes_that_share_much_the_surest_stays() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10], [2, 2, 5, 5]])
    scores = torch.tensor([0.8, 0.9, 0.7, 0.6])
    assert _apart(boxes, scores, 0.7).tolist() == [1, 2, 3]
    assert _apart(boxes, scores, 0.7, smaller=True).tolist() == [1, 2]  # the last one lies within another
    assert _apart(boxes[:0], scores[:0], 0.7).tolist() == []


def test_it_takes_no_file_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    load = Registry.discover(plugins=False).detector("mtcnn").load
    with pytest.raises(WeightsError, match=r"takes no file: leave .*x out"):
        load(tmp_path / "x")

    def absent(self: Packaged, who: str) -> Path:
        raise ExtraError(f"{who}: {self.remedy}")

    monkeypatch.setattr(Packaged, "find", absent)
    with pytest.raises(ExtraError, match=r"mtcnn: pip install --no-deps facenet-pytorch==2\.6\.0"):
        load(None)
