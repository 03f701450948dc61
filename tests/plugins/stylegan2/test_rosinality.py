"""Rosinality's checkpoints: the same numbers under other names."""

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from rosinality import renamed as rosinality
from safetensors.torch import load_file
from torch import Tensor

from gpk.checkpoint import Stored
from gpk.errors import InputError, WeightsError
from gpk_checkpoints.files import read_metadata, write_safetensors
from gpk_checkpoints.imports import import_weights
from gpk_checkpoints.weights import load_generator
from gpk_stylegan2 import adopt, gpk_backends
from gpk_stylegan2.network import StyleGAN2
from gpk_stylegan2.rosinality import official_tensors

(BACKEND,) = gpk_backends()


def checkpoint(generator: StyleGAN2) -> dict[str, Tensor]:
    state = generator.state_dict()
    return rosinality(state) | {"latent_avg": state["mapping.w_avg"]}


@pytest.fixture(autouse=True)
def _averaged(stylegan2: StyleGAN2) -> None:
    stylegan2.mapping.w_avg.normal_()


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("legacy", [True, False])
def test_a_published_file(stylegan2: StyleGAN2, tmp_path: Path, legacy: bool) -> None:
    theirs = checkpoint(stylegan2)
    whole = {"latent_avg": theirs.pop("latent_avg"), "g_ema": theirs, "d": {"x": torch.ones(1)}}
    torch.save(whole, tmp_path / "550000.pt", _use_new_zipfile_serialization=not legacy)
    made = import_weights(BACKEND, BACKEND.own_card(), tmp_path / "550000.pt")
    loaded = load_generator(BACKEND, BACKEND.own_card(), tmp_path / "550000.pt")
    assert same(loaded.state_dict(), stylegan2.state_dict())
    facts = json.loads(read_metadata(made)["gpk"])
    assert facts["config"] == dataclasses.asdict(stylegan2.config)
    assert (facts["source"]["layout"], facts["source"]["member"]) == ("torch", "g_ema")
    w = stylegan2.mapping(torch.randn(2, 12))
    assert torch.equal(loaded(w).image, stylegan2(w).image)


def test_a_safetensors_file_of_these_names(stylegan2: StyleGAN2, tmp_path: Path) -> None:
    write_safetensors(tmp_path / "a", checkpoint(stylegan2), {})
    assert same(load_generator(BACKEND, BACKEND.own_card(), tmp_path / "a").state_dict(), stylegan2.state_dict())


def test_what_is_always_so_comes_before_the_card(stylegan2: StyleGAN2, tmp_path: Path) -> None:
    card = dataclasses.replace(
        BACKEND.own_card(), config={"conv_clamp": 256, "num_fp16_res": 4, "mapping_lr_multiplier": 1.0}
    )
    torch.save({"g_ema": checkpoint(stylegan2)}, tmp_path / "a.pt")
    loaded = load_generator(BACKEND, card, tmp_path / "a.pt")
    assert isinstance(loaded, StyleGAN2)
    assert loaded.config == stylegan2.config


def test_noise_that_was_not_stored_is_drawn_once_and_for_all(stylegan2: StyleGAN2) -> None:
    theirs = {name: tensor for name, tensor in checkpoint(stylegan2).items() if not name.startswith("noises")}
    drawn, again = official_tensors(theirs), official_tensors(theirs)
    assert same(drawn, again)
    assert drawn.keys() == stylegan2.state_dict().keys()
    maps = [drawn[f"{path}.noise_const"] for path in stylegan2.noise_maps()]
    assert [list(map_.shape) for map_ in maps] == [[4, 4], [8, 8], [8, 8], [16, 16], [16, 16]]
    assert not torch.equal(maps[1], maps[2])
    assert 0.8 < torch.cat([map_.flatten() for map_ in maps]).std() < 1.2


def test_the_mean_of_w_is_measured_where_it_is_not_stored(stylegan2: StyleGAN2) -> None:
    theirs = checkpoint(stylegan2)
    del theirs["latent_avg"]
    before = torch.get_rng_state()
    found = official_tensors(theirs)["mapping.w_avg"]
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(found, official_tensors(theirs)["mapping.w_avg"])
    w = stylegan2.mapping(torch.randn(40_000, 12, generator=torch.Generator().manual_seed(9)))[:, 0]
    # Both are means of samples: they differ by a few standard errors at most.
    error = w.std(0) * math.sqrt(1 / 10_000 + 1 / 40_000)
    assert ((found - w.mean(0)).abs() < 5 * error).all()
    assert (w.mean(0).abs() > 10 * error).any()


def test_a_mean_of_two_dimensions(stylegan2: StyleGAN2) -> None:
    theirs = checkpoint(stylegan2) | {"latent_avg": torch.arange(16.0)[None]}
    assert official_tensors(theirs)["mapping.w_avg"].tolist() == list(range(16))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"convs.1.activate.bias": None},
            "convs.1.activate.bias is missing: no whole checkpoint in rosinality's layout",
        ),
        ({"conv1.conv.weight": torch.ones(3, 3)}, r"conv1.conv.weight is \[3, 3\], which is not rosinality's layout"),
        ({"noises.noise_2": torch.ones(2, 1, 8, 8)}, r"noises.noise_2 is \[2, 1, 8, 8\], which is not"),
        ({"extra.weight": torch.ones(3)}, "extra.weight has no place in a StyleGAN2 of rosinality's layout"),
        ({"noises.noise_9": torch.ones(1, 1, 8, 8)}, "noises.noise_9 has no place"),
        (
            {"to_rgbs.0.upsample.kernel": torch.ones(2, 2)},
            r"to_rgbs.0.upsample.kernel is another filter than \[1, 3, 3",
        ),
        ({"convs.0.conv.blur.kernel": torch.eye(4)}, r"convs.0.conv.blur.kernel is another filter"),
        (
            {"latent_avg": None, "style.1.weight": None, "style.2.weight": None},
            "style.1.weight is missing or no matrix",
        ),
        ({"latent_avg": None, "style.2.weight": torch.ones(3, 5)}, "the layers of style do not fit each other"),
    ],
)
def test_a_file_that_is_not_whole(stylegan2: StyleGAN2, change: dict[str, Tensor | None], message: str) -> None:
    theirs = checkpoint(stylegan2) | change
    with pytest.raises(InputError, match=message):
        official_tensors({name: tensor for name, tensor in theirs.items() if tensor is not None})


def test_a_damaged_file_is_named(stylegan2: StyleGAN2, tmp_path: Path) -> None:
    torch.save({"g_ema": checkpoint(stylegan2) | {"extra": torch.ones(1)}}, tmp_path / "a.pt")
    with pytest.raises(WeightsError, match=r"a\.pt holds no generator that stylegan2 can take: extra has no place"):
        load_generator(BACKEND, BACKEND.own_card(), tmp_path / "a.pt")


@pytest.mark.parametrize("name", ["synthesis.L3_52_512.weight", "synthesis.input.freqs"])
def test_a_stylegan3(name: str) -> None:
    with pytest.raises(InputError, match=rf"{name}: a StyleGAN3, another architecture, is not supported"):
        adopt(Stored({"mapping.fc0.weight": torch.ones(2, 2), name: torch.ones(1)}))


def test_an_eg3d() -> None:
    with pytest.raises(InputError, match="an EG3D; use the backend eg3d-ffhq for faces, eg3d-afhq for cats"):
        adopt(Stored({"backbone.mapping.fc0.weight": torch.ones(2, 2)}))


def test_class_labels() -> None:
    with pytest.raises(InputError, match="c_dim is 10: a class-conditional StyleGAN2 is not supported"):
        adopt(Stored({}, {"c_dim": 10}))


@pytest.mark.parametrize("nested", [True, False])
def test_the_official_arguments_state_some_settings(nested: bool) -> None:
    """Those of the synthesis are in a mapping of their own in older files, and beside the others in newer."""
    synthesis = {"num_fp16_res": 4, "conv_clamp": 256, "architecture": "skip"}
    arguments = {"synthesis_kwargs": synthesis} if nested else synthesis
    stated = {"c_dim": 0, "img_resolution": 64, "mapping_kwargs": {"num_layers": 2}, **arguments}
    taken = adopt(Stored({}, stated))
    assert taken.settings == {"img_resolution": 64, "mapping_layers": 2, "num_fp16_res": 4, "conv_clamp": 256}
    assert taken.tensors == {}


def test_what_flat_arguments_leave_out_is_the_stylegan3_repositorys_default() -> None:
    flat = {"c_dim": 0, "img_resolution": 64, "mapping_kwargs": {}}
    assert adopt(Stored({}, flat)).settings == {"img_resolution": 64, "num_fp16_res": 4, "conv_clamp": 256}
    assert adopt(Stored({}, {**flat, "synthesis_kwargs": {}})).settings == {"img_resolution": 64}
    assert adopt(Stored({}, {**flat, "conv_clamp": None})).settings["conv_clamp"] is None
    told = {"synthesis.b64": {"use_fp16": False}, "synthesis.b64.conv0": {"conv_clamp": 4.0, "activation": "lrelu"}}
    layers = adopt(Stored({}, flat, told)).settings
    assert (layers["num_fp16_res"], layers["conv_clamp"]) == (0, 4.0)


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ({"b8.conv0": {"conv_clamp": 256}, "b8.conv1": {"conv_clamp": None}}, "conv_clamp differs between layers"),
        ({"b8": {"use_fp16": True}, "b16": {"use_fp16": False}}, "use_fp16 is set in the blocks 8; only the last"),
        ({"b8.conv0": {"activation": "relu"}}, "b8.conv0: activation is 'relu'; only 'lrelu'"),
        ({"b8": {"architecture": "resnet"}}, "b8: architecture is 'resnet'; only 'skip'"),
    ],
)
def test_layers_of_another_kind(modules: dict[str, dict[str, object]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        adopt(Stored({}, {}, {f"synthesis.{path}": own for path, own in modules.items()}))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mapping_kwargs": {"activation": "relu"}}, "mapping_kwargs: activation is 'relu'; only 'lrelu'"),
        ({"synthesis_kwargs": {"architecture": "orig"}}, "synthesis_kwargs: architecture is 'orig'; only 'skip'"),
        ({"attention": True}, "attention is True: what this argument changes is unknown to gpk"),
    ],
)
def test_an_argument_is_honoured_or_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        adopt(Stored({}, arguments))


def test_the_parity_packs_weights(tmp_path: Path, parity: Callable[[str], Path]) -> None:
    state = load_file(parity("stylegan2/weights.safetensors"))
    theirs = rosinality(state)
    torch.save({"g_ema": theirs, "latent_avg": state["mapping.w_avg"]}, tmp_path / "a.pt")
    found = load_generator(BACKEND, BACKEND.own_card(), tmp_path / "a.pt").state_dict()
    assert same(dict(found), {name: tensor.float() for name, tensor in state.items()})
