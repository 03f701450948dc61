import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import torch

import gpk_eg3d
from gpk.errors import InputError, UnknownNameError, WeightsError
from gpk.plugin import Card
from gpk_checkpoints.cards import read_cards
from gpk_eg3d.config import EG3DConfig, from_mapping, from_official, infer
from gpk_eg3d.network import EG3D

CARDS = read_cards(Path(gpk_eg3d.__file__).parent / "cards.yaml")
SMALL = EG3DConfig(
    z_dim=12,
    c_dim=0,
    w_dim=16,
    img_resolution=32,
    plane_resolution=32,
    plane_channels=4,
    channel_base=256,
    channel_max=20,
    decoder_hidden=8,
    decoder_features=6,
    sr_input_resolution=16,
    sr_channels=(9, 5),
    sr_up=(False, True),
)
OFFICIAL: dict[str, Any] = {
    "z_dim": 512,
    "c_dim": 25,
    "w_dim": 512,
    "img_resolution": 512,
    "img_channels": 3,
    "sr_num_fp16_res": 4,
    "mapping_kwargs": {"num_layers": 2},
    "rendering_kwargs": {
        "clamp_mode": "softplus",
        "superresolution_module": "training.superresolution.SuperresolutionHybrid8X",
        "depth_resolution": 24,
        "box_warp": 1,
        "c_scale": 1,
        "avg_camera_pivot": [0, 0, -0.06],
        "density_reg": 0.25,
    },
    "sr_kwargs": {"channel_base": 32768},
    "channel_max": 64,
    "conv_clamp": None,
}


def shapes_of(config: EG3DConfig) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in EG3D(config).state_dict().items()}


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_every_card_is_a_config_that_its_own_shapes_confirm(card: Card) -> None:
    config = from_mapping(card.config)
    assert infer(config, shapes_of(config)) == config


@pytest.mark.parametrize("pivot", [0.2, -0.06])
def test_the_cards_differ_in_pivot_and_super_resolution(pivot: float) -> None:
    cards = [from_mapping(card.config) for card in CARDS]
    assert {c.sr_channels for c in cards if c.avg_camera_pivot[2] == pivot} == {(256, 128) if pivot > 0 else (128, 64)}


def test_a_file_of_another_size_is_recognised() -> None:
    found = infer(dataclasses.replace(EG3DConfig(), sr_input_resolution=16, img_resolution=64), shapes_of(SMALL))
    assert shapes_of(found) == shapes_of(SMALL)
    assert (found.c_dim, found.sr_channels, found.sr_up, found.img_resolution) == (0, (9, 5), (False, True), 32)


def test_the_older_super_resolution_is_recognised() -> None:
    older = EG3DConfig(sr_channels=(128, 64), sr_resample_filter=True)
    assert infer(EG3DConfig(), shapes_of(older)) == older


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("decoder.net.0.weight", None, "decoder.net.0.weight is missing"),
        ("decoder.net.0.weight", (8, 5), "decoder.net.0.weight has 5 inputs, where the planes have 4 channels"),
        ("decoder.net.2.weight", (7, 9), "decoder.net.2.weight has 9 inputs, where decoder.net.0 has 8 outputs"),
        ("backbone.mapping.fc0.weight", None, "backbone.mapping.fc0.weight is missing"),
        ("backbone.mapping.embed.weight", (12, 25), "leave nothing of fc0's 12 inputs for z"),
        ("backbone.mapping.embed.weight", (2, 7), "backbone.mapping.embed.weight takes labels of 7 numbers"),
        ("backbone.synthesis.b4.conv1.affine.weight", (20, 3), "takes a w of 3 numbers, where the mapping gives 16"),
        ("backbone.synthesis.b32.torgb.weight", (13, 8, 1, 1), "has 13 outputs, which are not 3 planes"),
        ("superresolution.block0.conv0.weight", (9, 7, 3, 3), "block0.conv0.weight has 7 inputs, where 6 arrive"),
        ("superresolution.block0.conv0.weight", None, "superresolution.block0.conv0.weight is missing"),
        ("superresolution.block1.conv0.noise_const", (64, 64), "conv0.noise_const has side 64, where 16 arrives"),
    ],
)
def test_a_tensor_that_makes_no_sense_is_named(name: str, shape: tuple[int, ...] | None, message: str) -> None:
    shapes = shapes_of(SMALL)
    shapes.pop(name, None)
    if shape is not None:
        shapes[name] = shape
    with pytest.raises(WeightsError, match=re.escape(message)):
        infer(SMALL, shapes)


def test_a_file_without_super_resolution_is_no_eg3d() -> None:
    shapes = {name: shape for name, shape in shapes_of(SMALL).items() if not name.startswith("superresolution")}
    with pytest.raises(WeightsError, match=re.escape("superresolution.block0.conv0.weight is missing: no EG3D")):
        infer(SMALL, shapes)


def test_the_official_arguments() -> None:
    config = from_official(OFFICIAL, neural_rendering_resolution=64)
    assert config == EG3DConfig(
        channel_max=64,
        depth_resolution=24,
        neural_rendering_resolution=64,
        sr_channels=(128, 64),
        sr_resample_filter=True,
        avg_camera_pivot=(0, 0, -0.06),
    )


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("disparity_space_sampling", True, "disparity_space_sampling is True; only False is supported"),
        ("clamp_mode", "relu", "clamp_mode is 'relu'; only 'softplus' is supported"),
        (
            "superresolution_module",
            "training.superresolution.Other",
            "superresolution_module: 'Other' is not supported",
        ),
    ],
)
def test_what_is_not_supported_is_refused(name: str, value: object, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        from_official(OFFICIAL | {"rendering_kwargs": OFFICIAL["rendering_kwargs"] | {name: value}})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"c_dim": 3}, "c_dim: 3; a camera label has 25 numbers, or 0"),
        ({"sr_up": [True]}, "sr_channels names 2 blocks and sr_up 1"),
        ({"sr_channels": [], "sr_up": [], "img_resolution": 128}, "sr_channels names no block"),
        ({"ray_end": 2}, "ray_start: 2.25 is not before ray_end, 2"),
        ({"depth_resolution": 3}, "depth_resolution: 3 samples are too few"),
        ({"decoder_features": 2}, "decoder_features: 2; the first three are the raw picture"),
        ({"img_resolution": 256}, "img_resolution: 256, but super-resolution goes from 128 to 512"),
        ({"plane_resolution": 100}, "plane_resolution: 100 is no power of two"),
        ({"plane_axes": ["xy", "xx"]}, "plane_axes[1] is 'xx', where one of xy"),
        (
            {"avg_camera_pivot": [0, 0]},
            "avg_camera_pivot is [0, 0], where a list of a number and a number",
        ),
    ],
)
def test_an_impossible_setting_is_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        from_mapping(settings)


def test_an_unknown_setting_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="'box_wrap': did you mean 'box_warp'"):
        from_mapping({"box_wrap": 1})
