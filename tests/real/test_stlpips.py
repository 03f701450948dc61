"""ST-LPIPS against the package that its weights are from, and what a shift costs under it."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import pytest
import torch
from skimage import data
from torch import Tensor
from torch.nn import functional as F

from gpk_judges.shift_tolerant import Net, load

pytestmark = pytest.mark.real


def square(picture: Tensor, side: int) -> Tensor:
    """Bytes [h, h, 3] as a picture [1, 3, side, side] in [-1, 1]."""
    whole = picture.permute(2, 0, 1)[None].float() / 127.5 - 1
    return F.interpolate(whole, (side, side), mode="bilinear", antialias=True, align_corners=False)


@pytest.fixture(scope="module")
def changed() -> dict[str, tuple[Tensor, Tensor]]:
    """A real face, and what has been done to it."""
    face = torch.from_numpy(data.astronaut().copy())[0:200, 125:325]
    cat = torch.from_numpy(data.chelsea().copy())[:300, 75:375]
    a = square(face, 129)
    noise = 0.1 * torch.randn(a.shape, generator=torch.Generator().manual_seed(0))
    return {
        "shift of a pixel": (a[..., :128, :128], a[..., :128, 1:]),
        "blur": (a[..., :128, :128], F.avg_pool2d(a, 3, 1, 1)[..., :128, :128]),
        "noise": (a[..., :128, :128], (a + noise)[..., :128, :128]),
        "a cat": (a[..., :128, :128], square(cat, 128)),
    }


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The package's own code, with what it imports and neither names nor needs."""
    for name, attribute in (("IPython", "embed"), ("torchsummary", "summary")):
        absent = ModuleType(name)
        setattr(absent, attribute, None)
        monkeypatch.setitem(sys.modules, name, absent)
    return importlib.import_module("stlpips_pytorch.stlpips")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_it_measures_what_the_package_measures(
    net: Net, package: ModuleType, changed: dict[str, tuple[Tensor, Tensor]]
) -> None:
    theirs = package.LPIPS(net=net, variant="shift_tolerant", verbose=False)
    ours = load(net, None)
    for a, b in changed.values():
        with torch.no_grad():
            torch.testing.assert_close(ours(a, b), theirs(a, b).flatten(), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_a_shift_counts_least(net: Net, changed: dict[str, tuple[Tensor, Tensor]]) -> None:
    metric = load(net, None)
    with torch.no_grad():
        apart = {what: metric(a, b).item() for what, (a, b) in changed.items()}
    print(net, {what: round(value, 4) for what, value in apart.items()})
    assert 10 * apart["shift of a pixel"] < min(apart["blur"], apart["noise"])
    assert apart["a cat"] == max(apart.values())
