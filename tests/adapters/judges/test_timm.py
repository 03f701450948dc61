"""Any timm model is a judge. Official weights are not here: timm's own small test models with random ones are."""

import re
import sys
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.data.config import resolve_model_data_config
from timm.data.transforms_factory import create_transform
from torch import Tensor, nn
from torchvision.transforms.functional import to_pil_image

import gpk_judges
from gpk.errors import ExtraError, UnknownNameError, WeightsError
from gpk.generator import fingerprint
from gpk.registry import Registry

NAME = "test_vit.r160_in1k"


def made(name: str = NAME) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return timm.create_model(name, pretrained=False).eval()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("timm") / "model.safetensors"
    save_file(made().state_dict(), path)
    return path


def pictures(batch: int = 2, side: int = 64) -> Tensor:
    return torch.rand(batch, 3, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("name", [NAME, "test_resnet.r160_in1k", "test_efficientnet.r160_in1k"])
def test_features_are_timms_own_pooled_ones(name: str, tmp_path: Path) -> None:
    network = made(name)
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    judge = gpk_judges.load_timm(name, tmp_path / "weights.pth")
    images = pictures(2, 160)
    config = resolve_model_data_config(network)
    mean, std = (torch.tensor(config[part]).view(3, 1, 1) for part in ("mean", "std"))
    with torch.no_grad():
        pooled = network.forward_head(network.forward_features((images / 2 + 0.5 - mean) / std), pre_logits=True)
    seen = judge(images)
    torch.testing.assert_close(seen, pooled / pooled.norm(dim=1, keepdim=True))
    assert (seen[0] - seen[1]).abs().max() > 1e-3


def test_pictures_are_prepared_as_timm_prepares_files(file: Path) -> None:
    """Its transform of a picture's file, without the crop: to within what bytes can tell."""
    judge = gpk_judges.load_timm(NAME, file)
    image = pictures(1, 400)
    config = resolve_model_data_config(made()) | {"crop_pct": 1.0}
    prepare: Any = create_transform(**config)
    prepared = prepare(to_pil_image(image[0] / 2 + 0.5))
    network = made()
    with torch.no_grad():
        pooled = network.forward_head(network.forward_features(prepared[None]), pre_logits=True)
    assert (judge(image) * pooled / pooled.norm()).sum() > 0.997


def test_is_differentiable_frozen_and_leaves_the_random_state(file: Path) -> None:
    before = torch.get_rng_state()
    judge = gpk_judges.load_timm(NAME, file)
    assert torch.equal(before, torch.get_rng_state())
    assert not any(parameter.requires_grad for parameter in judge.parameters())
    nn.Sequential(judge).train()
    assert not any(module.training for module in judge.modules())
    images = pictures().requires_grad_()
    judge(images)[:, 0].sum().backward()
    assert images.grad is not None
    assert images.grad.isfinite().all()
    assert images.grad.abs().sum() > 0


def test_the_fingerprint_is_of_the_weights(file: Path, tmp_path: Path) -> None:
    state = made().state_dict()
    torch.save(state, tmp_path / "same.pth")
    first = fingerprint(gpk_judges.load_timm(NAME, file))
    assert fingerprint(gpk_judges.load_timm(NAME, tmp_path / "same.pth")) == first
    state["norm.weight"][0] += 1
    torch.save(state, tmp_path / "other.pth")
    assert fingerprint(gpk_judges.load_timm(NAME, tmp_path / "other.pth")) != first


def test_the_registry_knows_every_model(file: Path) -> None:
    registry = Registry.discover()
    card = registry.judge(f"timm:{NAME}")
    assert (card.name, card.kind) == (f"timm:{NAME}", "judge")
    assert card.load(file)(pictures()).shape == (2, 64)
    assert registry.judge(f"timm:{gpk_judges.DINO}").name.endswith(".lvd142m")
    assert "timm" in registry.judges()
    assert f"timm:{NAME}" not in registry.judges()


@pytest.mark.parametrize("name", ["test_vitt", "test_vit.nope", "hf-hub:timm/test_vit", "local-dir:/tmp", ""])
def test_an_unknown_model_has_the_nearest_and_reaches_for_nothing(name: str) -> None:
    with pytest.raises(UnknownNameError, match=rf"^unknown timm model '{re.escape(name)}': .{{5,300}}timm\.list_pre"):
        Registry.discover().judge(f"timm:{name}")
    if name.startswith("test_vit"):
        with pytest.raises(UnknownNameError, match=r"the nearest are .*test_vit"):
            gpk_judges.load_timm(name)


def test_what_is_wrong_with_a_file_is_told(file: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"no weights of test_vit\.r160_in1k at .*absent\.pth"):
        gpk_judges.load_timm(NAME, tmp_path / "absent.pth")
    with pytest.raises(WeightsError, match=r"does not hold the weights of test_resnet\.r160_in1k.*Missing key"):
        gpk_judges.load_timm("test_resnet.r160_in1k", file)
    torch.save({}, tmp_path / "empty.pth")
    with pytest.raises(WeightsError, match="holds no state dict"):
        gpk_judges.load_timm(NAME, tmp_path / "empty.pth")
    state = made().state_dict()
    del state["blocks.0.attn.qkv.weight"]
    torch.save(state, tmp_path / "part.pth")
    with pytest.raises(WeightsError, match=r"Missing key.*blocks\.0\.attn\.qkv\.weight"):
        gpk_judges.load_timm(NAME, tmp_path / "part.pth")


def test_the_hubs_cache_is_used(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    kept = tmp_path / f"models--timm--{NAME}"
    (kept / "snapshots" / "abc").mkdir(parents=True)
    (kept / "snapshots" / "abc" / "model.safetensors").symlink_to(file)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text("abc")
    torch.testing.assert_close(gpk_judges.load_timm(NAME)(pictures()), gpk_judges.load_timm(NAME, file)(pictures()))


@pytest.fixture
def hub(server: Any, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A server in the hub's place, and an empty cache."""
    server.content = file.read_bytes()
    template = server.url.replace("weights.bin", "{repo_id}/{revision}/{filename}")
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return server


def test_a_download_stays_in_gpks_cache(hub: Any, file: Path, cache: Path) -> None:
    hub.drops = [100_000]
    expected = gpk_judges.load_timm(NAME, file)(pictures())
    torch.testing.assert_close(gpk_judges.load_timm(NAME)(pictures()), expected)
    assert hub.spans == ["", "bytes=100000-"]
    assert (cache / "judges" / f"timm-{NAME}.safetensors").read_bytes() == file.read_bytes()
    torch.testing.assert_close(gpk_judges.load_timm(NAME)(pictures()), expected)
    assert len(hub.asked) == 2


def test_a_failed_download_says_what_to_get(hub: Any) -> None:
    hub.statuses = [404]
    with pytest.raises(ExtraError, match=rf"404 Not Found.*Get http\S+model\.safetensors .*as timm:{NAME}=FILE"):
        gpk_judges.load_timm(NAME)


def test_an_absent_package_names_the_extra(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ExtraError, match=r'pip install "gpk\[timm\]"'):
        gpk_judges.load_timm(NAME, file)
