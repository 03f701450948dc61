"""ST-LPIPS with weights drawn by lot: what holds whatever the weights; tests/real has those of the package."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

import gpk_judges
from gpk.errors import ExtraError, InputError, WeightsError
from gpk_checkpoints.packaged import Packaged
from gpk_judges import shift_tolerant
from gpk_judges.shift_tolerant import LEAST, Net, ShiftTolerantDistance, shapes


def drawn(net: Net) -> dict[str, Tensor]:
    """Weights of the right shapes, heads not below zero."""
    rng = torch.Generator().manual_seed(3)
    state = {name: torch.randn(shape, generator=rng) for name, shape in shapes(net).items()}
    return {name: value.abs() if "lin" in name else value / value[0].numel() ** 0.5 for name, value in state.items()}


def pictures(count: int, side: int = 48) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(5)
    a, b = torch.rand((2, count, 3, side, side), generator=rng) * 2 - 1
    return a, b


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_it_is_a_distance(net: Net) -> None:
    metric = ShiftTolerantDistance(net, drawn(net))
    a, b = pictures(2)
    apart = metric(a, b)
    assert apart.shape == (2,)
    assert (apart > 0).all()
    torch.testing.assert_close(apart, metric(b, a))
    assert metric(a, a).tolist() == [0, 0]
    assert not list(metric.train().parameters())
    assert not metric.training
    near = a.clone().requires_grad_()
    metric(near, b).sum().backward()
    assert near.grad is not None
    assert near.grad.abs().sum() > 0


def test_blur_comes_before_every_stride() -> None:
    """A column of bright pixels an even or an odd number of pixels in: without the blur one of them is skipped."""
    metric = ShiftTolerantDistance("vgg", drawn("vgg"))
    lines = torch.zeros(2, 1, 9, 9)
    lines[0, :, :, 4] = lines[1, :, :, 5] = 1
    sums = metric._through("blur", lines, "")[:, 0, 2].sum(-1)
    torch.testing.assert_close(sums[0], sums[1])


def test_pictures_too_small_are_refused() -> None:
    metric = ShiftTolerantDistance("alex", drawn("alex"))
    metric(*pictures(1, LEAST))
    with pytest.raises(InputError, match=f"pictures of {LEAST} pixels a side and more, not 31"):
        metric(*pictures(1, LEAST - 1))


def test_a_file_is_read_and_another_one_refused(tmp_path: Path) -> None:
    file = tmp_path / "trunk.pth"
    torch.save(drawn("alex"), file)
    assert gpk_judges.load_stlpips("alex", file)(*pictures(1)).shape == (1,)
    with pytest.raises(WeightsError, match=r"is not the file of stlpips-vgg: .*Get vgg_shift_tolerant\.pth: pip"):
        gpk_judges.load_stlpips("vgg", file)


def test_no_package_says_which_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(self: Packaged, who: str) -> Path:
        raise ExtraError(f"{who}: {self.remedy}")

    monkeypatch.setattr(Packaged, "find", absent)
    with pytest.raises(ExtraError, match=r'stlpips-alex: pip install "gpk\[stlpips\]"'):
        shift_tolerant.load("alex", None)
