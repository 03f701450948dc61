"""Official EG3D files: what their arguments state, what their tensors tell, and whose they are."""

import dataclasses
import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from gpk.checkpoint import Stored
from gpk.errors import InputError, WeightsError
from gpk.generator import Generator
from gpk_checkpoints.weights import card_of, load_generator
from gpk_eg3d import adopt, gpk_backends
from gpk_eg3d.network import EG3D
from gpk_stylegan2 import gpk_backends as stylegan2_backends
from gpk_stylegan2.network import StyleGAN2

FFHQ, AFHQ = gpk_backends()
(STYLEGAN2,) = stylegan2_backends()


@pytest.fixture(scope="module")
def official() -> ModuleType:
    return importlib.import_module("official")


def cats(eg3d: EG3D) -> EG3D:
    """`eg3d` with the cats' super-resolution, which has a filter of its own."""
    other = EG3D(dataclasses.replace(eg3d.config, sr_resample_filter=True, avg_camera_pivot=(0, 0, -0.06)))
    other.load_state_dict(eg3d.state_dict(), strict=False)
    return other


def renamed(rendering: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"rendering_kwargs": {**rendering, **changes}}


def config_of(generator: Generator) -> Any:
    assert isinstance(generator, EG3D)
    return generator.config


def test_the_tensors_tell_which_super_resolution_it_is(official: ModuleType, eg3d: EG3D, tmp_path: Path) -> None:
    other = renamed(
        official.rendering_of(eg3d), superresolution_module="training.superresolution.SuperresolutionHybrid8X"
    )
    source = official.written(tmp_path / "a.pkl", eg3d, **other)
    assert config_of(load_generator(FFHQ, FFHQ.card, source)) == eg3d.config
    source = official.written(tmp_path / "b.pkl", cats(eg3d), **other)
    assert config_of(load_generator(FFHQ, FFHQ.card, source)) == dataclasses.replace(
        eg3d.config, sr_resample_filter=True
    )


def test_a_super_resolution_is_no_species(official: ModuleType, eg3d: EG3D, tmp_path: Path) -> None:
    """Today's training of cats makes 8XDC; what tells cats from faces is where their cameras look."""
    modern = EG3D(dataclasses.replace(eg3d.config, avg_camera_pivot=(0, 0, -0.06)))
    source = official.written(tmp_path / "cats.pkl", modern)
    assert not config_of(load_generator(AFHQ, AFHQ.card, source)).sr_resample_filter
    message = r"cats\.pkl is not eg3d-ffhq/ffhqrebalanced512-128: its avg_camera_pivot is \[0\.0, 0\.0, -0\.06\], where"
    with pytest.raises(WeightsError, match=message):
        load_generator(FFHQ, FFHQ.card, source)
    assert card_of(FFHQ, source) == FFHQ.own_card()
    assert card_of(AFHQ, source) == AFHQ.card
    assert config_of(load_generator(FFHQ, FFHQ.own_card(), source)).avg_camera_pivot == (0, 0, -0.06)


def test_a_stylegan2_for_an_eg3d_and_the_other_way_round(
    official: ModuleType, stylegan2: StyleGAN2, eg3d: EG3D, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match=r"a\.pkl holds no eg3d-ffhq .*at G, G_ema a StyleGAN2.* backend stylegan2"):
        load_generator(FFHQ, FFHQ.card, official.written(tmp_path / "a.pkl", stylegan2))
    with pytest.raises(WeightsError, match=r"b\.pkl holds no stylegan2 .*an EG3D: use the backend eg3d-ffhq"):
        load_generator(STYLEGAN2, STYLEGAN2.card, official.written(tmp_path / "b.pkl", eg3d))


def test_a_relative_with_parts_of_its_own(eg3d: EG3D) -> None:
    parts = {**eg3d.state_dict(), "texture_backbone.mapping.w_avg": torch.ones(1)}
    with pytest.raises(InputError, match=r"a relative of EG3D with parts of its own \(texture_backbone\), as Next3D"):
        adopt(Stored(parts))


def test_a_rosinality_file_for_an_eg3d() -> None:
    with pytest.raises(InputError, match=r"convs\.0\.conv\.weight: a StyleGAN without planes and cameras"):
        adopt(Stored({"convs.0.conv.weight": torch.ones(1)}))


@pytest.mark.parametrize(
    ("change", "message"),
    [({"superresolution_noise_mode": "random"}, "noise_mode is 'random'"), ({"clamp_mode": "relu"}, "_mode is 'relu'")],
)
def test_what_would_be_rendered_otherwise(
    official: ModuleType, eg3d: EG3D, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    source = official.written(tmp_path / "a.pkl", eg3d, **renamed(official.rendering_of(eg3d), **change))
    with pytest.raises(WeightsError, match=rf"a\.pkl holds no generator that eg3d-ffhq can .*: .*{message}"):
        load_generator(FFHQ, FFHQ.card, source)


def test_cars_are_before_white(official: ModuleType, eg3d: EG3D, tmp_path: Path) -> None:
    """Where rays meet nothing, all features are those of white: 1, before and after 2 x - 1."""
    source = official.written(tmp_path / "a.pkl", eg3d, **renamed(official.rendering_of(eg3d), white_back=True))
    white = load_generator(FFHQ, FFHQ.card, source)
    eg3d.decoder.get_parameter("net.2.bias").data[0] = white.get_parameter("decoder.net.2.bias").data[0] = -1e4
    w = eg3d.mapping(torch.ones(1, eg3d.latent.z_dim))
    raw, plain = white(w).raw, eg3d(w).raw
    assert raw is not None
    assert plain is not None
    assert torch.equal(raw, torch.ones_like(raw))
    assert torch.equal(plain, -torch.ones_like(plain))


def test_another_super_resolution(official: ModuleType, eg3d: EG3D, tmp_path: Path) -> None:
    """Its first block makes something else of the 128 x 128 features than twice their side."""
    rendering = official.rendering_of(eg3d)
    del rendering["sr_input_resolution"]
    source = official.written(tmp_path / "cars.pkl", eg3d, rendering_kwargs=rendering)
    message = r"noise_const has side 16, where 128 arrives: a block of super-resolution keeps the side or doubles it"
    with pytest.raises(WeightsError, match=message):
        load_generator(FFHQ, FFHQ.card, source)


def test_the_arguments_state_what_they_state() -> None:
    rendering = {
        "box_warp": 2,
        "ray_start": 1,
        "superresolution_module": "a.SuperresolutionHybrid8X",
        "image_resolution": 512,
    }
    arguments = {
        "c_dim": 25,
        "img_resolution": 128,
        "mapping_kwargs": {"num_layers": 2},
        "neural_rendering_resolution": 64,
        "sr_kwargs": {"channel_max": 512},
    }
    tensors = {"decoder.x": torch.ones(1), "dataset_label_std": torch.ones(25)}
    taken = adopt(Stored(tensors, {**arguments, "rendering_kwargs": rendering}))
    assert taken.settings == {
        "c_scale": 0.0,  # not stated: the reference multiplies labels by 0
        "c_dim": 25,
        "mapping_layers": 2,
        "neural_rendering_resolution": 64,
        "box_warp": 2,
        "ray_start": 1,
    }
    assert taken.tensors.keys() == {"decoder.x"}
    assert "a buffer of the training" in taken.ignored["dataset_label_std"]
