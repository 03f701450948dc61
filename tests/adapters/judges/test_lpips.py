"""LPIPS agrees with the lpips package, on random backbones of the published shapes."""

import hashlib
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any, Literal

import lpips
import pluggy
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import gpk_judges
from gpk.errors import ExtraError, WeightsError
from gpk.plugin import Hooks
from gpk_judges import backbone


def reference(net: str) -> nn.Module:
    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        return lpips.LPIPS(net=net, pnet_rand=True, verbose=False)


def published_form(metric: nn.Module) -> dict[str, Tensor]:
    """The backbone's weights under torchvision's names, with a classifier that nobody needs."""
    state = {
        "features." + name.split(".", 2)[2]: value for name, value in metric.state_dict().items() if "slice" in name
    }
    return state | {"classifier.6.bias": torch.zeros(1000)}


@pytest.fixture(scope="module")
def alex() -> nn.Module:
    return reference("alex")


@pytest.fixture
def alex_file(alex: nn.Module, tmp_path: Path) -> Path:
    torch.save(published_form(alex), tmp_path / "alexnet-owt-7be5be79.pth")
    return tmp_path / "alexnet-owt-7be5be79.pth"


def pictures(batch: int = 2, side: int = 64) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(1)
    a, b = torch.rand(2, batch, 3, side, side, generator=rng) * 2 - 1
    return a, b


def test_equals_the_lpips_package(alex: nn.Module, alex_file: Path) -> None:
    a, b = pictures()
    distance = gpk_judges.load_lpips("alex", alex_file)(a, b)
    assert distance.shape == (2,)
    assert (distance > 0).all()
    torch.testing.assert_close(distance, alex(a, b).flatten().detach())


@pytest.mark.parametrize("net", ["vgg", "squeeze"])
def test_other_backbones_from_safetensors_equal_the_lpips_package(
    net: Literal["vgg", "squeeze"], tmp_path: Path
) -> None:
    metric = reference(net)
    save_file(published_form(metric), tmp_path / "net.safetensors")
    a, b = pictures(1, 32)
    distance = gpk_judges.load_lpips(net, tmp_path / "net.safetensors")(a, b)
    torch.testing.assert_close(distance, metric(a, b).flatten().detach())


def test_is_zero_for_equal_pictures_and_symmetric(alex_file: Path) -> None:
    distance = gpk_judges.load_lpips("alex", alex_file)
    a, b = pictures()
    assert distance(a, a).tolist() == [0, 0]
    torch.testing.assert_close(distance(a, b), distance(b, a))


def test_is_frozen_stays_in_evaluation_and_leaves_the_random_state(alex_file: Path) -> None:
    before = torch.get_rng_state()
    distance = gpk_judges.load_lpips("alex", alex_file)
    assert torch.equal(before, torch.get_rng_state())
    assert not any(parameter.requires_grad for parameter in distance.parameters())
    nn.Sequential(distance).train()
    assert not any(module.training for module in distance.modules())
    assert not any(tensor.is_meta for tensor in (*distance.parameters(), *distance.buffers()))


def test_both_pictures_get_gradients(alex_file: Path) -> None:
    a, b = (picture.requires_grad_() for picture in pictures(1))
    gpk_judges.load_lpips("alex", alex_file)(a, b).sum().backward()
    for picture in (a, b):
        assert picture.grad is not None
        assert picture.grad.isfinite().all()
        assert picture.grad.abs().sum() > 0


def test_dead_features_leave_the_gradient_finite(alex: nn.Module, tmp_path: Path) -> None:
    dead = published_form(alex) | {"features.6.bias": torch.full((384,), -10.0)}
    torch.save(dead, tmp_path / "dead.pth")
    a, b = pictures(1)
    gpk_judges.load_lpips("alex", tmp_path / "dead.pth")(a.requires_grad_(), b).sum().backward()
    assert a.grad is not None
    assert a.grad.isfinite().all()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"no LPIPS weights at .*absent\.pth: Get https://.*--lpips-weights FILE"):
        gpk_judges.load_lpips("alex", tmp_path / "absent.pth")


def test_a_file_of_another_network_says_what_is_missing(alex: nn.Module, tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(
        WeightsError, match=r"10 of 10 tensors are missing, such as features\.0\.weight, features\.0\.bias"
    ):
        gpk_judges.load_lpips("alex", tmp_path / "other.pth")


def test_the_other_backbone_is_told(alex_file: Path) -> None:
    with pytest.raises(WeightsError, match=r"is no vgg16-397923af\.pth: .* tensors are missing, such as features\.2\."):
        gpk_judges.load_lpips("vgg", alex_file)


def test_a_wrong_shape_is_told(alex: nn.Module, tmp_path: Path) -> None:
    torch.save(published_form(alex) | {"features.3.bias": torch.zeros(7)}, tmp_path / "odd.pth")
    with pytest.raises(WeightsError, match=r"features\.3\.bias is \[7\], not \[192\]"):
        gpk_judges.load_lpips("alex", tmp_path / "odd.pth")


class Trap:
    """What a hostile pickle would run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('executed')",)


def test_a_pickle_with_code_is_refused_unexecuted(tmp_path: Path) -> None:
    torch.save({"features.0.weight": Trap()}, tmp_path / "trap.pth")
    with pytest.raises(WeightsError, match=r"trap\.pth .*exec"):
        gpk_judges.load_lpips("alex", tmp_path / "trap.pth")


@pytest.mark.parametrize("name", ["noise.pth", "noise.safetensors"])
@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "an empty file"),
        (b"<html>404</html>", "a web page"),
        (b"PK\x03\x04 cut off", "cut short or damaged"),
        (b"\x80\x02}", "a pickle that is cut short"),
        (b"\x89PNG\r\n", "a picture"),
        (b"a few words", "a text.* A state dict of that network is needed"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, name: str, content: bytes, what: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=rf"{name} is {what}"):
        gpk_judges.load_lpips("alex", tmp_path / name)


def test_a_file_that_is_cut_short_later_does_not_matter(alex: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "alex.safetensors"
    save_file(published_form(alex), path)
    metric = gpk_judges.load_lpips("alex", path)
    os.truncate(path, 0)
    a, b = pictures(1)
    torch.testing.assert_close(metric(a, b), alex(a, b).flatten().detach())


def test_no_flat_state_dict_is_refused(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="holds no state dict"):
        gpk_judges.load_lpips("alex", tmp_path / "list.pth")


def test_torch_hubs_cache_is_used(alex: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    torch.save(published_form(alex), tmp_path / "checkpoints" / "alexnet-owt-7be5be79.pth")
    a, b = pictures(1)
    torch.testing.assert_close(gpk_judges.load_lpips("alex")(a, b), alex(a, b).flatten().detach())


@pytest.fixture
def published(alex_file: Path, tmp_path: Path, server: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """The random AlexNet as a server publishes it, its name ending as torchvision's do; torch hub's cache is empty."""
    server.content = alex_file.read_bytes()
    name = f"alexnet-owt-{hashlib.sha256(server.content).hexdigest()[:8]}.pth"
    url = server.url.replace("weights.bin", name)
    monkeypatch.setitem(backbone.PUBLISHED, "alex", backbone.Published(url, 10))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    return name


def test_a_download_goes_on_is_checked_and_stays_in_torch_hubs_cache(
    alex: nn.Module, tmp_path: Path, server: Any, published: str
) -> None:
    a, b = pictures(1)
    expected = alex(a, b).flatten().detach()
    server.drops = [1_000_000]
    torch.testing.assert_close(gpk_judges.load_lpips("alex")(a, b), expected)
    assert server.spans == ["", "bytes=1000000-"]
    assert (tmp_path / "hub" / "checkpoints" / published).read_bytes() == server.content
    torch.testing.assert_close(gpk_judges.load_lpips("alex")(a, b), expected)
    assert len(server.asked) == 2


def test_a_download_of_another_file_is_refused_and_not_kept(tmp_path: Path, server: Any, published: str) -> None:
    server.content = b"another file"
    both = rf"its sha256 is {hashlib.sha256(b'another file').hexdigest()}, expected {published[12:20]}\..*stlpips-alex"
    with pytest.raises(ExtraError, match=both):
        gpk_judges.load_lpips("alex")
    assert not (tmp_path / "hub" / "checkpoints" / published).exists()


def test_a_failed_download_says_what_to_do(server: Any, published: str) -> None:
    server.statuses = [404]
    remedy = (
        rf"needs {published} \(10 MB\).*404 Not Found.*Get http\S+/{published} .*--lpips-weights FILE.*stlpips-alex"
    )
    with pytest.raises(ExtraError, match=remedy):
        gpk_judges.load_lpips("alex")


def test_the_published_addresses() -> None:
    assert {(p.url, p.sha256_prefix) for p in backbone.PUBLISHED.values()} == {
        ("https://download.pytorch.org/models/alexnet-owt-7be5be79.pth", "7be5be79"),
        ("https://download.pytorch.org/models/vgg16-397923af.pth", "397923af"),
        ("https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth", "b8a52dc0"),
    }


def test_an_absent_package_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "lpips", None)
    with pytest.raises(ExtraError, match=r'pip install "gpk\[lpips\]"'):
        gpk_judges.load_lpips("alex", tmp_path / "any.pth")


def test_the_plugin_offers_distances_and_judges(alex_file: Path) -> None:
    manager = pluggy.PluginManager("gpk")
    manager.add_hookspecs(Hooks)
    manager.register(gpk_judges)
    manager.check_pending()
    (cards,) = manager.hook.gpk_judges()
    assert {card.name: card.kind for card in cards} == {
        "lpips-alex": "distance",
        "lpips-vgg": "distance",
        "lpips-squeeze": "distance",
        "stlpips-alex": "distance",
        "stlpips-vgg": "distance",
        "dists": "distance",
        "arcface": "judge",
        "dlib-id": "judge",
        "timm": "judge",
    }
    assert cards[0].load(alex_file)(*pictures(1)).shape == (1,)


def test_is_silent(alex_file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    gpk_judges.load_lpips("alex", alex_file)
    assert capfd.readouterr() == ("", "")


def test_importing_is_light() -> None:
    heavy = "assert not {'torch', 'lpips', 'torchvision', 'PIL', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", f"import sys, gpk_judges; gpk_judges.gpk_judges(); {heavy}"], check=True)
