import importlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from corekit.camera import Camera
from corekit.errors import WeightsError
from corekit.generator import Generator, LatentSpace, Noise, Render, Site
from corekit.plugin import Backend, Card
from gpk_checkpoints.files import read_safetensors, write_safetensors
from gpk_checkpoints.weights import load_generator


class Tiny(Generator):
    """Four layers, a stored buffer, and two tensors that the state dict does not hold."""

    def __init__(self, width: int = 3) -> None:
        super().__init__()
        self.latent, self.resolution = LatentSpace(width, width, 1), 1
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(4))
        self.register_buffer("w_avg", torch.zeros(width))
        self.register_buffer("filter", torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8, persistent=False)
        self.axes = torch.arange(3)

    def mapping(
        self, z: Tensor, camera: Camera | None = None, *, truncation: float = 1.0, cutoff: int | None = None
    ) -> Tensor:
        return z[:, None]

    def forward(
        self, w: Tensor, camera: Camera | None = None, *, noise: Noise = "const", rng: torch.Generator | None = None
    ) -> Render:
        x = w[:, 0]
        for layer in self.layers:
            x = layer(x)
        return Render(x[:, :, None, None])

    def sites(self) -> tuple[Site, ...]:
        return tuple(Site(f"layers.{i}", "linear", "backbone", 1) for i in range(4))


def fit(config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> Mapping[str, Any]:
    if "layers.0.weight" not in shapes:
        raise WeightsError("layers.0.weight is missing")
    return {**config, "width": shapes["layers.0.weight"][0]}


CARD = Card("tiny-3", "Tiny", "CC0-1.0", {"width": 3})
RIGID = Backend("tiny", "four layers", (CARD,), build=lambda config: Tiny(**config), cameras=False)
FITTED = Backend("tiny", "four layers", (CARD,), build=lambda config: Tiny(**config), fit=fit, cameras=False)


def state(width: int = 3) -> dict[str, Tensor]:
    return {name: torch.randn(tensor.shape) for name, tensor in Tiny(width).state_dict().items()}


def written(folder: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> Path:
    path = folder / "tiny.safetensors"
    write_safetensors(path, tensors, metadata or {})
    return path


def test_a_generator_with_its_weights(tmp_path: Path) -> None:
    tensors = state()
    generator = cast(Tiny, load_generator(RIGID, CARD, written(tmp_path, tensors)))
    assert not generator.training
    assert not any(parameter.requires_grad for parameter in generator.parameters())
    for name, tensor in generator.state_dict().items():
        assert torch.equal(tensor, tensors[name])
    assert generator.get_buffer("filter").sum() == 1
    assert generator.axes.tolist() == [0, 1, 2]
    assert generator(torch.ones(2, 1, 3)).image.isfinite().all()


def test_the_random_stream_is_left_as_it_was(tmp_path: Path) -> None:
    path = written(tmp_path, state())
    before = torch.get_rng_state()
    load_generator(RIGID, CARD, path)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_float32(tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = {name: tensor.to(dtype) for name, tensor in state().items()}
    generator = load_generator(RIGID, CARD, written(tmp_path, tensors))
    for name, tensor in generator.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, tensors[name].float())


def test_the_config_is_fitted_to_the_file(tmp_path: Path) -> None:
    assert load_generator(FITTED, CARD, written(tmp_path, state(5))).latent.w_dim == 5


def test_the_config_in_the_file_overrides_the_cards(tmp_path: Path) -> None:
    path = written(tmp_path, state(5), {"gpk": json.dumps({"config": {"width": 5}})})
    assert load_generator(RIGID, CARD, path).latent.w_dim == 5


def test_bundled_weights(tmp_path: Path) -> None:
    card = Card("tiny-3", "Tiny", "CC0-1.0", {"width": 3}, weights=written(tmp_path, state()))
    assert load_generator(RIGID, card, None).latent.w_dim == 3


def test_no_weights_at_all() -> None:
    with pytest.raises(
        WeightsError,
        match=r"'tiny-3' of tiny has no bundled weights \(licence: CC0.*\): "
        r"`gpk weights import tiny FILE` once, or pass --weights FILE$",
    ):
        load_generator(RIGID, CARD, None)
    card = Card("a", "A", "research only", url="https://example.org/a.pkl", page="https://example.org/a")
    with pytest.raises(
        WeightsError,
        match=r"research only\): run `gpk weights fetch a`, or `gpk weights import tiny FILE --card a` once, or pass "
        r"--weights FILE; they are published at https://example\.org/a$",
    ):
        load_generator(replace(RIGID, cards=(CARD, card)), card, None)


def without(name: str) -> dict[str, Tensor]:
    return {key: tensor for key, tensor in state().items() if key != name}


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (without("layers.2.bias"), r"is no whole tiny generator: missing are layers\.2\.bias$"),
        (
            state() | {f"optimizer.{i}": torch.ones(1) for i in range(5)},
            r"generator has not: optimizer\.0, optimizer\.1, optimizer\.2 and 2 more$",
        ),
        (
            state() | {"w_avg": torch.ones(1, 3)},
            r"tensors of another shape: w_avg \[1, 3\], expected \[3\]$",
        ),
        (state() | {"w_avg": torch.tensor([0, torch.nan, 0])}, "numbers that are not finite in w_avg$"),
        (state() | {"w_avg": torch.tensor([0, torch.inf, 0])}, "numbers that are not finite in w_avg$"),
        (
            {"w_avg": torch.zeros(3), "conv.weight": torch.ones(1)},
            "looks like another family's file: it has 1 of the 9 tensors of tiny; missing are .* and 5 more$",
        ),
    ],
    ids=["missing", "surplus", "shape", "nan", "inf", "family"],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, tensors: dict[str, Tensor], message: str) -> None:
    with pytest.raises(WeightsError, match=rf"tiny\.safetensors .*{message}"):
        load_generator(RIGID, CARD, written(tmp_path, tensors))


def test_a_file_that_cannot_be_fitted(tmp_path: Path) -> None:
    path = written(tmp_path, {"conv.weight": torch.ones(1)})
    with pytest.raises(WeightsError, match=r"safetensors holds no generator that tiny can take: layers"):
        load_generator(FITTED, CARD, path)


@pytest.mark.parametrize("gpk", ["{", "[]", '{"config": 3}'])
def test_damaged_metadata(tmp_path: Path, gpk: str) -> None:
    with pytest.raises(WeightsError, match=r"tiny\.safetensors: .*gpk metadata"):
        load_generator(RIGID, CARD, written(tmp_path, state(), {"gpk": gpk}))


FAMILIES = ["stylegan2", "stylegan2.clamp", "stylegan2.flat", "eg3d-ffhq", "eg3d-afhq"]


def backend(name: str) -> Backend:
    module = importlib.import_module("gpk_stylegan2" if name == "stylegan2" else "gpk_eg3d")
    return next(offer for offer in module.gpk_backends() if offer.name == name)


@pytest.mark.parametrize("folder", FAMILIES)
def test_the_parity_packs_weights(folder: str, parity: Callable[[str], Path]) -> None:
    family = backend(folder.partition(".")[0])
    path = parity(f"{folder}/weights.safetensors")
    generator = load_generator(family, family.own_card(), path)
    stored, _ = read_safetensors(path)
    assert generator.state_dict().keys() == stored.keys()
    for name, tensor in generator.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, stored[name].float())


@pytest.mark.parametrize(
    ("name", "folder"), [("stylegan2", "eg3d-ffhq"), ("eg3d-ffhq", "stylegan2"), ("eg3d-afhq", "stylegan2")]
)
def test_another_familys_file(name: str, folder: str, parity: Callable[[str], Path]) -> None:
    family = backend(name)
    with pytest.raises(WeightsError, match=rf"weights\.safetensors holds no {name} .*; it holds an? (EG3D|StyleGAN2)"):
        load_generator(family, family.card, parity(f"{folder}/weights.safetensors"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["stylegan2", "eg3d-ffhq", "eg3d-afhq"])
def test_a_full_size_generator_loads_in_seconds(tmp_path: Path, name: str) -> None:
    family = backend(name)
    with torch.device("meta"):
        wanted = family.build(family.card.config).state_dict()
    write_safetensors(tmp_path / "a", {key: torch.zeros(tensor.shape) for key, tensor in wanted.items()}, {})
    start = time.monotonic()
    load_generator(family, family.card, tmp_path / "a")
    assert time.monotonic() - start < 20
