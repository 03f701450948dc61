import dataclasses
import re
from pathlib import Path

import pytest
import torch

import gpk_stylegan2
from gpk.errors import InputError, UnknownNameError, WeightsError
from gpk_checkpoints.cards import read_cards
from gpk_stylegan2.config import StyleGAN2Config, from_mapping, from_official, infer
from gpk_stylegan2.network import StyleGAN2

SMALL = StyleGAN2Config(z_dim=20, w_dim=24, img_resolution=32, mapping_layers=3, channel_base=256, channel_max=48)
CARDS = read_cards(Path(gpk_stylegan2.__file__).parent / "cards.yaml")


def shapes_of(config: StyleGAN2Config) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in StyleGAN2(config).state_dict().items()}


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_every_card_is_a_config_that_its_own_shapes_confirm(card) -> None:  # noqa: ANN001
    config = from_mapping(card.config)
    assert infer(config, shapes_of(config)) == config


@pytest.mark.parametrize("other", [StyleGAN2Config(), StyleGAN2Config(img_resolution=8, channel_base=64)])
def test_a_file_of_another_size_is_recognised(other: StyleGAN2Config) -> None:
    found = infer(other, shapes_of(SMALL))
    assert shapes_of(found) == shapes_of(SMALL)
    assert (found.z_dim, found.w_dim, found.mapping_layers, found.img_resolution) == (20, 24, 3, 32)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("mapping.fc0.weight", None, "mapping.fc0.weight is missing"),
        ("mapping.fc0.weight", (24,), "mapping.fc0.weight is [24], where a matrix is needed"),
        ("mapping.embed.weight", (24, 10), "mapping.embed.weight: a class-conditional StyleGAN2 is not supported"),
        ("synthesis.b4.conv1.weight", None, "synthesis.b4.conv1.weight is missing"),
        ("synthesis.b16.conv1.weight", None, "synthesis.b16.conv1.weight is missing, though b32 is there"),
        (
            "synthesis.b16.conv1.weight",
            (17, 17, 3, 3),
            "synthesis.b16.conv1.weight has 17 outputs; the other blocks make it 16",
        ),
        ("synthesis.b32.torgb.weight", None, "synthesis.b32.torgb.weight is missing or has no four dimensions"),
        ("synthesis.b4.conv1.affine.weight", (48, 9), "takes a w of 9 numbers, where the mapping gives 24"),
    ],
)
def test_a_tensor_that_makes_no_sense_is_named(name: str, shape: tuple[int, ...] | None, message: str) -> None:
    shapes = shapes_of(SMALL)
    shapes.pop(name, None)
    if shape is not None:
        shapes[name] = shape
    with pytest.raises(WeightsError, match=re.escape(message)):
        infer(SMALL, shapes)


def test_the_official_arguments() -> None:
    kwargs = {
        "z_dim": 20,
        "c_dim": 0,
        "w_dim": 24,
        "img_resolution": 32,
        "img_channels": 3,
        "mapping_kwargs": {"num_layers": 3, "lr_multiplier": 0.02},
        "synthesis_kwargs": {"channel_base": 256, "channel_max": 48, "num_fp16_res": 2, "conv_clamp": 256},
    }
    expected = dataclasses.replace(SMALL, mapping_lr_multiplier=0.02, num_fp16_res=2, conv_clamp=256)
    assert from_official(kwargs) == expected
    with pytest.raises(InputError, match="c_dim is 10: a class-conditional StyleGAN2 is not supported"):
        from_official(kwargs | {"c_dim": 10})
    with pytest.raises(InputError, match="synthesis_kwargs is 3, not a mapping"):
        from_official(kwargs | {"synthesis_kwargs": 3})
    with pytest.raises(InputError, match="the official arguments lack z_dim"):
        from_official({name: value for name, value in kwargs.items() if name != "z_dim"})


def test_a_wrong_setting_is_named() -> None:
    with pytest.raises(UnknownNameError, match="unknown config key in StyleGAN2 config 'z_dims': did you mean 'z_dim'"):
        from_mapping({"z_dims": 512})
    with pytest.raises(InputError, match="StyleGAN2 config: z_dim is 'wide', where a whole number is needed"):
        from_mapping({"z_dim": "wide"})
    with pytest.raises(InputError, match="z_dim is True, where a whole number is needed"):
        from_mapping({"z_dim": True})
    with pytest.raises(InputError, match="img_resolution: 48 is no power of two"):
        from_mapping({"img_resolution": 48})
    assert from_mapping({"conv_clamp": None}) == StyleGAN2Config()
