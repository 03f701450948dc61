r"""What a StyleGAN2 is made of, and what a file's tensors tell about it.

Channels at resolution r are min(channel_base / r, channel_max); L = 2 log2(R) - 2 copies of w (Karras et al., 2020,
arXiv 1912.04958, config F: base 32768, at most 512).
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from gpk.errors import InputError, WeightsError
from gpk.typed import to_dataclass
from gpk_stylegan2.settings import ANY, official, require_known

Shapes = Mapping[str, tuple[int, ...]]
"""The shapes of a file's tensors, by name."""


@dataclass(frozen=True)
class StyleGAN2Config:
    """Settings by their official constructor names; `mapping_*` are those of the mapping network.

    The last `num_fp16_res` resolutions run in reduced precision where the device gains by it; activations stay within
    ±`conv_clamp`, where it is a number. Raises InputError for what this network cannot be.
    """

    z_dim: int = 512
    w_dim: int = 512
    img_resolution: int = 1024
    img_channels: int = 3
    mapping_layers: int = 8
    mapping_lr_multiplier: float = 0.01
    channel_base: int = 32768
    channel_max: int = 512
    num_fp16_res: int = 0
    conv_clamp: float | None = None

    def __post_init__(self) -> None:
        require_power_of_two("img_resolution", self.img_resolution)
        if self.img_channels != 3:
            raise InputError(f"img_channels is {self.img_channels}: only pictures of three channels are supported")


def from_mapping(settings: Mapping[str, object]) -> StyleGAN2Config:
    """The config that a card spells out; raises InputError as `gpk.typed.to_dataclass` does,
    and for what the network cannot be.
    """
    return to_dataclass(StyleGAN2Config, settings, source="StyleGAN2 config")


def from_official(init_kwargs: Mapping[str, object]) -> StyleGAN2Config:
    """The config in the constructor arguments that an official checkpoint carries.

    Raises InputError for sizes that are missing, and as `official_settings` does.
    """
    sizes = ("z_dim", "w_dim", "img_resolution", "img_channels")
    if absent := [name for name in sizes if name not in init_kwargs]:
        raise InputError(f"the official arguments lack {', '.join(absent)}")
    return from_mapping(official_settings(init_kwargs))


SYNTHESIS: Mapping[str, object] = {
    "channel_base": ANY, "channel_max": ANY, "num_fp16_res": ANY, "conv_clamp": ANY, "fused_modconv_default": ANY,
    "fp16_channels_last": ANY, "architecture": "skip", "activation": "lrelu", "kernel_size": 3, "use_noise": True,
    "resample_filter": [1, 3, 3, 1],
}  # fmt: skip
"""Official arguments of a synthesis network and of its layers: how modulation is computed changes no picture."""
MAPPING: Mapping[str, object] = {
    "num_layers": ANY, "lr_multiplier": ANY, "w_avg_beta": ANY, "activation": "lrelu", "embed_features": ANY,
    "layer_features": ANY,
}  # fmt: skip
"""Those of a mapping network; how fast the mean w followed is a matter of its training, widths are told by tensors."""
SIZES: Mapping[str, object] = {
    "z_dim": ANY, "c_dim": ANY, "w_dim": ANY, "img_resolution": ANY, "img_channels": ANY, "mapping_kwargs": ANY
}  # fmt: skip
"""Those of the whole generator."""
FLAT_DEFAULTS: Mapping[str, object] = {"num_fp16_res": 4, "conv_clamp": 256}
"""What the stylegan3 repository's StyleGAN2, whose arguments are flat, has where they are not said."""


def official_settings(init_kwargs: Mapping[str, object]) -> dict[str, object]:
    """The settings that official constructor arguments state, and no others; class labels are refused.

    StyleGAN2-ADA writes those of the synthesis network among `synthesis_kwargs`, the stylegan3 repository beside it,
    and leaves out those that are at its own defaults. Raises InputError for what this network does not do.
    """
    if init_kwargs.get("c_dim"):
        raise InputError(f"c_dim is {init_kwargs['c_dim']}: a class-conditional StyleGAN2 is not supported")
    mapping, synthesis = official(init_kwargs, "mapping_kwargs"), official(init_kwargs, "synthesis_kwargs")
    require_known(init_kwargs, {**SIZES, **SYNTHESIS, "synthesis_kwargs": ANY})
    require_known(synthesis, SYNTHESIS, where="synthesis_kwargs")
    settings = mapping_settings(mapping)
    flat = "img_resolution" in init_kwargs and "synthesis_kwargs" not in init_kwargs
    for source in (FLAT_DEFAULTS if flat else {}, init_kwargs, synthesis):
        settings |= {field.name: source[field.name] for field in fields(StyleGAN2Config) if field.name in source}
    return settings


def mapping_settings(mapping_kwargs: Mapping[str, object]) -> dict[str, object]:
    """What official `mapping_kwargs` state, by our names; raises InputError for what this network does not do."""
    require_known(mapping_kwargs, MAPPING, where="mapping_kwargs")
    ours = {"num_layers": "mapping_layers", "lr_multiplier": "mapping_lr_multiplier"}
    return {name: mapping_kwargs[theirs] for theirs, name in ours.items() if theirs in mapping_kwargs}


def refuse_other_families(names: Iterable[str]) -> None:
    """Raises InputError where the tensors' names are an EG3D's or a StyleGAN3's."""
    for name in names:
        if name.startswith("backbone."):
            raise InputError(f"{name}: an EG3D; use the backend eg3d-ffhq for faces, eg3d-afhq for cats")
        if re.match(r"synthesis\.(L\d+_|input\.)", name):
            raise InputError(f"{name}: a StyleGAN3, another architecture, is not supported")


def infer(config: StyleGAN2Config, shapes: Shapes) -> StyleGAN2Config:
    """`config` with every size that the tensors of a file tell, by their names in the official layout.

    Raises WeightsError that names the tensor which is missing, does not fit the others, or is for class labels.
    """
    if "mapping.embed.weight" in shapes:
        raise WeightsError("mapping.embed.weight: a class-conditional StyleGAN2 is not supported")
    mapping = mapping_sizes(shapes, "mapping.")
    synthesis = synthesis_sizes(shapes, "synthesis.", config.channel_base, config.channel_max)
    require_same_w("synthesis.b4.conv1.affine.weight", shapes, mapping["w_dim"])
    return dataclasses.replace(config, **mapping, **synthesis)


def mapping_sizes(shapes: Shapes, prefix: str) -> dict[str, int]:
    """z_dim, w_dim and mapping_layers of the mapping network under `prefix`, whose label embedding may be absent.

    Raises WeightsError where tensors are missing or do not fit.
    """
    layers = 0
    while f"{prefix}fc{layers}.weight" in shapes:
        layers += 1
    w_dim, inputs = matrix(shapes, f"{prefix}fc0.weight")
    embedded = matrix(shapes, f"{prefix}embed.weight")[0] if f"{prefix}embed.weight" in shapes else 0
    if embedded >= inputs:
        raise WeightsError(f"{prefix}embed.weight: {embedded} outputs leave nothing of fc0's {inputs} inputs for z")
    return {"z_dim": inputs - embedded, "w_dim": w_dim, "mapping_layers": layers}


def synthesis_sizes(shapes: Shapes, prefix: str, channel_base: int, channel_max: int) -> dict[str, int]:
    """img_resolution, img_channels, channel_base and channel_max of the synthesis network under `prefix`; the given
    `channel_base` and `channel_max` stand where the tensors leave them open.

    Raises WeightsError where tensors are missing or do not fit each other.
    """
    pattern = re.compile(re.escape(prefix) + r"b(\d+)\.conv1\.weight")
    channels = {int(m[1]): shape[0] for name, shape in shapes.items() if (m := pattern.fullmatch(name))}
    if 4 not in channels:
        raise WeightsError(f"{prefix}b4.conv1.weight is missing: no StyleGAN2 synthesis in the official layout")
    resolution = max(channels)
    require_power_of_two(f"{prefix}b{resolution}", resolution, WeightsError)
    for r in (2**i for i in range(2, resolution.bit_length())):
        if r not in channels:
            raise WeightsError(f"{prefix}b{r}.conv1.weight is missing, though b{resolution} is there")
    widest = max(channels.values())
    narrow = [r * channels[r] for r in sorted(channels) if channels[r] < widest]
    # Where every block is as wide, or the widest as wide as the card says, the card's own numbers stand.
    base = narrow[-1] if narrow else max(channel_base, widest * resolution)
    most = channel_max if all(min(base // r, channel_max) == c for r, c in channels.items()) else widest
    for r, c in channels.items():
        if min(base // r, most) != c:
            raise WeightsError(f"{prefix}b{r}.conv1.weight has {c} outputs; the other blocks make it {base // r}")
    rgb = shapes.get(f"{prefix}b{resolution}.torgb.weight")
    if rgb is None or len(rgb) != 4:
        raise WeightsError(f"{prefix}b{resolution}.torgb.weight is missing or has no four dimensions")
    return {"img_resolution": resolution, "img_channels": rgb[0], "channel_base": base, "channel_max": most}


def require_same_w(name: str, shapes: Shapes, w_dim: int) -> None:
    """Raises WeightsError unless the style layer `name` takes a w as wide as the mapping gives."""
    if (inputs := matrix(shapes, name)[1]) != w_dim:
        raise WeightsError(f"{name} takes a w of {inputs} numbers, where the mapping gives {w_dim}")


def matrix(shapes: Shapes, name: str) -> tuple[int, int]:
    """Rows and columns of the tensor `name`; raises WeightsError where it is absent or no matrix."""
    shape = shapes.get(name)
    if shape is None or len(shape) != 2:
        raise WeightsError(f"{name} is {'missing' if shape is None else list(shape)}, where a matrix is needed")
    return shape[0], shape[1]


def require_power_of_two(name: str, value: int, error: type[InputError] = InputError) -> None:
    """Raises `error` unless `value` is a power of two of at least 4."""
    if value < 4 or not math.log2(value).is_integer():
        raise error(f"{name}: {value} is no power of two of at least 4")
