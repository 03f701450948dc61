"""DISTS agrees with its authors' package, on a random VGG-16 and the published weights of its channels."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from DISTS_pytorch import DISTS_pt
from torch import Tensor, nn
from torchvision.models import vgg

import gpk_judges
from gpk.errors import ExtraError, WeightsError
from gpk.generator import fingerprint
from gpk.judges import FeatureDistance

SHIPPED = Path(DISTS_pt.__file__).parent / "weights.pt"


@pytest.fixture(scope="module")
def features() -> nn.Sequential:
    """VGG-16's convolutions, with weights that keep activations of a common size."""
    with torch.device("meta"):
        features = vgg.make_layers(vgg.cfgs["D"])
    rng = torch.Generator().manual_seed(0)
    features.to_empty(device="cpu")
    for name, parameter in features.named_parameters():
        gain = (2 / (9 * parameter.shape[1])) ** 0.5 if name.endswith("weight") else 0.1
        nn.init.normal_(parameter, std=gain, generator=rng)
    return features.requires_grad_(False)


@pytest.fixture(scope="module")
def vgg_file(features: nn.Sequential, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("vgg") / "vgg16-397923af.pth"
    torch.save({f"features.{name}": value for name, value in features.state_dict().items()}, file)
    return file


@pytest.fixture
def reference(features: nn.Sequential, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """The authors' own module; the backbone that it would download is given to it."""
    monkeypatch.setattr(DISTS_pt.models, "vgg16", lambda pretrained: SimpleNamespace(features=features))
    metric = DISTS_pt.DISTS(load_weights=False)
    state = torch.load(SHIPPED, weights_only=True)
    metric.alpha.data, metric.beta.data = state["alpha"], state["beta"]
    return metric


def pictures(batch: int = 2, side: int = 48) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(1)
    coarse = torch.rand(2, batch, 3, 6, 6, generator=rng) * 1.6 - 0.8
    fine = nn.functional.interpolate(coarse.flatten(0, 1), (side, side), mode="bicubic").unflatten(0, (2, batch))
    a, b = fine.clamp(-1, 1)
    return a, b


def test_equals_the_authors_package(reference: nn.Module, vgg_file: Path) -> None:
    a, b = pictures()
    distance = gpk_judges.load_dists(vgg_file)(a, b)
    assert distance.shape == (2,)
    assert (distance > 0.01).all()
    torch.testing.assert_close(distance, reference((a + 1) / 2, (b + 1) / 2), rtol=1e-4, atol=1e-6)


def test_is_zero_for_equal_pictures_symmetric_and_alone_in_its_batch(vgg_file: Path) -> None:
    distance = gpk_judges.load_dists(vgg_file)
    a, b = pictures()
    assert distance(a, a).tolist() == [0, 0]
    torch.testing.assert_close(distance(a, b), distance(b, a))
    torch.testing.assert_close(distance(a, b)[1:], distance(a[1:], b[1:]))


def test_forgives_a_shifted_texture_more_than_another_colour(vgg_file: Path) -> None:
    grains = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(2)) * 2 - 1
    distance = gpk_judges.load_dists(vgg_file)
    assert distance(grains, grains.roll((5, 7), (2, 3))) < distance(grains, grains * 0.5)


def test_photos_are_looked_at_once_and_pictures_get_gradients(vgg_file: Path) -> None:
    distance = gpk_judges.load_dists(vgg_file)
    assert isinstance(distance, FeatureDistance)
    a, b = pictures(1)
    a.requires_grad_()
    seen = distance.between(distance.features(a), distance.features(b))
    torch.testing.assert_close(seen, distance(a, b))
    seen.sum().backward()
    assert a.grad is not None
    assert a.grad.isfinite().all()
    assert a.grad.abs().sum() > 0


def test_is_frozen_stays_in_evaluation_and_leaves_the_random_state(vgg_file: Path) -> None:
    before = torch.get_rng_state()
    distance = gpk_judges.load_dists(vgg_file)
    assert torch.equal(before, torch.get_rng_state())
    assert not any(parameter.requires_grad for parameter in distance.parameters())
    nn.Sequential(distance).train()
    assert not any(module.training for module in distance.modules())
    assert len(fingerprint(distance)) == 64


def test_a_file_of_alpha_and_beta_takes_the_packages_place(
    vgg_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the backbone comes from torch hub's cache."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / vgg_file.name).symlink_to(vgg_file)
    state = torch.load(SHIPPED, weights_only=True)
    colours = torch.zeros_like(state["alpha"])
    colours[:, :3] = 2.0
    torch.save({"alpha": colours, "beta": torch.zeros_like(state["beta"])}, tmp_path / "weights.pt")
    grey, pale = torch.full((1, 3, 32, 32), -0.5), torch.full((1, 3, 32, 32), 0.9)
    seen = gpk_judges.load_dists(tmp_path / "weights.pt")(grey, pale)
    assert seen.item() == pytest.approx(1 - 2 * 0.25 * 0.95 / (0.25**2 + 0.95**2), rel=1e-4)
    assert gpk_judges.load_dists()(grey, pale).item() != pytest.approx(seen.item(), rel=0.1)


def test_what_is_wrong_with_a_file_is_told(vgg_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsError, match=r"no DISTS weights at .*absent\.pt"):
        gpk_judges.load_dists(tmp_path / "absent.pt")
    torch.save({"fc.weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=r"is no vgg16-397923af\.pth: 26 of 26 tensors are missing.*put it into"):
        gpk_judges.load_dists(tmp_path / "other.pth")
    torch.save({"alpha": torch.zeros(3), "beta": torch.zeros(3)}, tmp_path / "short.pt")
    with pytest.raises(WeightsError, match=r"alpha is \[3\], not \[1, 1475, 1, 1\]\. Get weights\.pt of https://"):
        gpk_judges.load_dists(tmp_path / "short.pt")
    monkeypatch.setattr("gpk_judges.dists.PACKAGE", "no_such_package_at_all")
    with pytest.raises(ExtraError, match=r'pip install "gpk\[dists\]", or give the file weights\.pt of https://'):
        gpk_judges.load_dists(vgg_file)
