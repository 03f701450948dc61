r"""What an EG3D is made of: the official settings by their names, flattened, and the freedoms of smaller priors.

The defaults are the published FFHQ card's (Chan et al., 2022, arXiv 2112.07945). `infer` adapts a config to the sizes
that a file's tensors tell.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from gpk.camera import EG3D_FOCAL
from gpk.errors import InputError, WeightsError
from gpk.typed import to_dataclass
from gpk_stylegan2.config import (
    SIZES,
    SYNTHESIS,
    Shapes,
    mapping_settings,
    mapping_sizes,
    matrix,
    require_power_of_two,
    require_same_w,
    synthesis_sizes,
)
from gpk_stylegan2.settings import ANY, official, require_known
from gpk_stylegan2.stored import Modules, clamp_state, require_kind

CLAMP = 256.0
"""Where official super-resolution clamps when it may run in float16; it then clamps in any precision."""
PlaneAxes = Literal["xy", "xz", "yx", "yz", "zx", "zy"]
"""The axes of the world along a plane's width and height."""
SUPERRESOLUTIONS: Mapping[str, Mapping[str, object]] = {
    "SuperresolutionHybrid8X": {"sr_channels": (128, 64), "sr_resample_filter": True},
    "SuperresolutionHybrid8XDC": {"sr_channels": (256, 128), "sr_resample_filter": False},
    "SuperresolutionHybrid4X": {"sr_channels": (128, 64), "sr_up": (False, True), "img_resolution": 256},
    "SuperresolutionHybrid2X": {"sr_up": (False, True), "sr_input_resolution": 64, "img_resolution": 128},
}
"""The official super-resolution modules, by the picture's side 512, 512, 256 and 128; what tensors tell comes first.
The last two were never held to reference numbers.
"""
RENDERING: Mapping[str, object] = {
    "image_resolution": ANY, "superresolution_module": ANY, "superresolution_noise_mode": "none", "c_scale": ANY,
    "c_gen_conditioning_zero": ANY, "sr_antialias": ANY, "decoder_lr_mul": ANY, "depth_resolution": ANY,
    "depth_resolution_importance": ANY, "ray_start": ANY, "ray_end": ANY, "box_warp": ANY, "avg_camera_radius": ANY,
    "avg_camera_pivot": ANY, "white_back": ANY, "disparity_space_sampling": False, "clamp_mode": "softplus",
    "gpc_reg_prob": ANY, "gpc_reg_fade_kimg": ANY, "density_reg": ANY, "density_reg_p_dist": ANY, "reg_type": ANY,
    "density_noise": ANY, "sr_input_resolution": ANY,
}  # fmt: skip
"""Official `rendering_kwargs`: how densities were regularised in training changes no picture."""


@dataclass(frozen=True)
class EG3DConfig:
    """Settings by their official constructor names where they have one; lengths are in world units.

    Mapping: camera labels of `c_dim` numbers, 0 for none, times `c_scale`; with `c_gen_conditioning_zero` times 0.

    Planes: `plane_axes` names the world axes along width and height. The official third plane repeats the second
    transposed, and the published weights were trained so; corrected checkpoints have ("xy", "xz", "zy"). `box_warp` is
    the side of the planes' box.

    Rays: `neural_rendering_resolution` a side, from `ray_start` to `ray_end`, with `depth_resolution` samples along
    each and `depth_resolution_importance` more where the first met something. `density_gain` and `density_offset` act
    on the field's density before the marcher; `opaque_far` forces the last interval opaque, so that a background lives
    on the far shell; `white_back` has rays end in white, as cars do.

    Super-resolution: one block per entry of `sr_channels`, doubling the side where `sr_up` says so; with any
    `sr_num_fp16_res` it clamps to 256 everywhere and works in reduced precision where the device gains by it.

    Camera: radius, pivot and focal length (in image sides) of the frontal view.

    Raises InputError for settings that do not fit together.
    """

    z_dim: int = 512
    c_dim: int = 25
    w_dim: int = 512
    img_resolution: int = 512
    mapping_layers: int = 2
    mapping_lr_multiplier: float = 0.01
    c_scale: float = 1.0
    c_gen_conditioning_zero: bool = False

    plane_resolution: int = 256
    plane_channels: int = 32
    plane_axes: tuple[PlaneAxes, ...] = ("xy", "xz", "zx")
    channel_base: int = 32768
    channel_max: int = 512
    num_fp16_res: int = 0
    conv_clamp: float | None = None

    decoder_hidden: int = 64
    decoder_features: int = 32
    decoder_lr_mul: float = 1.0

    neural_rendering_resolution: int = 128
    depth_resolution: int = 48
    depth_resolution_importance: int = 48
    ray_start: float = 2.25
    ray_end: float = 3.3
    box_warp: float = 1.0
    density_gain: float = 1.0
    density_offset: float = 0.0
    opaque_far: bool = False
    white_back: bool = False

    sr_input_resolution: int = 128
    sr_channels: tuple[int, ...] = (256, 128)
    sr_up: tuple[bool, ...] = (True, True)
    sr_antialias: bool = True
    sr_num_fp16_res: int = 4
    sr_resample_filter: bool = False

    avg_camera_radius: float = 2.7
    avg_camera_pivot: tuple[float, float, float] = (0.0, 0.0, 0.2)
    focal: float = EG3D_FOCAL

    def __post_init__(self) -> None:
        require_power_of_two("plane_resolution", self.plane_resolution)
        if self.c_dim not in (0, 25):
            raise InputError(f"c_dim: {self.c_dim}; a camera label has 25 numbers, or 0 for no conditioning")
        if not self.sr_channels:
            raise InputError("sr_channels names no block: super-resolution needs one at least")
        if len(self.sr_channels) != len(self.sr_up):
            raise InputError(f"sr_channels names {len(self.sr_channels)} blocks and sr_up {len(self.sr_up)}")
        if not self.ray_start < self.ray_end:
            raise InputError(f"ray_start: {self.ray_start} is not before ray_end, {self.ray_end}")
        if self.depth_resolution < (4 if self.depth_resolution_importance else 2):
            raise InputError(f"depth_resolution: {self.depth_resolution} samples are too few to place others by")
        if self.decoder_features < 3:
            raise InputError(f"decoder_features: {self.decoder_features}; the first three are the raw picture")
        if self.sr_resolutions[-1] != self.img_resolution:
            raise InputError(
                f"img_resolution: {self.img_resolution}, but super-resolution goes from {self.sr_input_resolution} "
                f"to {self.sr_resolutions[-1]}"
            )

    @property
    def sr_resolutions(self) -> tuple[int, ...]:
        """The side after each block of super-resolution.

        >>> EG3DConfig().sr_resolutions
        (256, 512)
        """
        sides = [self.sr_input_resolution]
        for up in self.sr_up:
            sides.append(sides[-1] * (2 if up else 1))
        return tuple(sides[1:])


def from_mapping(settings: Mapping[str, object]) -> EG3DConfig:
    """The config that a card spells out; raises InputError as `gpk.typed.to_dataclass` does,
    and for what does not fit together.
    """
    return to_dataclass(EG3DConfig, settings, source="EG3D config")


def from_official(init_kwargs: Mapping[str, object], *, neural_rendering_resolution: int = 128) -> EG3DConfig:
    """The config in the constructor arguments that an official checkpoint carries.

    Raises InputError for what this network does not do: disparity sampling, another density activation, noise in
    super-resolution, an argument that nobody here knows.
    """
    return from_mapping(official_settings({"neural_rendering_resolution": neural_rendering_resolution, **init_kwargs}))


def official_settings(arguments: Mapping[str, object]) -> dict[str, object]:
    """The settings that an official checkpoint's arguments state, and no others; raises as `from_official` does."""
    mapping, rendering = official(arguments, "mapping_kwargs"), official(arguments, "rendering_kwargs")
    own = ("rendering_kwargs", "sr_kwargs", "sr_num_fp16_res", "neural_rendering_resolution")
    require_known(arguments, {**SIZES, **SYNTHESIS, **dict.fromkeys(own, ANY)})
    require_known(official(arguments, "sr_kwargs"), SYNTHESIS, where="sr_kwargs")
    require_known(rendering, RENDERING, where="rendering_kwargs")
    # Where it is not stated, the reference multiplies labels by 0.
    settings: dict[str, object] = {"c_scale": 0.0} if rendering else {}
    if rendering.get("superresolution_module") is not None:
        module = str(rendering["superresolution_module"]).rpartition(".")[2]
        if module not in SUPERRESOLUTIONS:
            raise InputError(f"superresolution_module: {module!r} is not supported: {', '.join(SUPERRESOLUTIONS)}")
        settings |= SUPERRESOLUTIONS[module]
    names = [field.name for field in dataclasses.fields(EG3DConfig)]
    settings |= {name: source[name] for name in names for source in (arguments, rendering) if name in source}
    return settings | mapping_settings(mapping)


def planes_state(modules: Modules) -> dict[str, object]:
    """`plane_axes` as the renderer keeps them: of each plane a row for the axis along its width, height and depth.

    Forks correct the third plane, (z, y); the tensor of the published one turns the axes round, and is (z, x) whichever
    way it is read. Empty where none are told; raises InputError where they are no axes of the world.
    """
    planes = modules.get("renderer", {}).get("plane_axes")
    if not isinstance(planes, list):
        return {}
    try:
        pairs = ["".join("xyz"[row.index(1.0)] for row in plane[:2]) for plane in planes]
    except (ValueError, IndexError, AttributeError, TypeError) as error:
        raise InputError("renderer: its plane_axes are no axes of the world, which is not supported") from error
    return {"plane_axes": tuple("zx" if pair == "yz" else pair for pair in pairs)}


def superresolution_state(modules: Modules) -> dict[str, object]:
    """`sr_num_fp16_res` as the blocks of super-resolution tell it: where they clamp, they may run in half precision.

    Raises InputError for a clamp that this network has not.
    """
    require_kind(modules, "superresolution.")
    told = clamp_state(modules, "superresolution.")
    if told and told["conv_clamp"] not in (None, CLAMP):
        raise InputError(f"superresolution: conv_clamp is {told['conv_clamp']}; only {CLAMP:g} is supported")
    return {"sr_num_fp16_res": 4 if told["conv_clamp"] else 0} if told else {}


OWN = ("backbone.", "decoder.", "superresolution.")
"""How the names of an EG3D's tensors begin."""


def refuse_other_families(names: Iterable[str]) -> None:
    """Raises InputError where the tensors' names are a StyleGAN2's, a StyleGAN3's or a relative's of EG3D."""
    if found := next((name for name in names if re.match(r"(synthesis|mapping|convs|input)\.", name)), None):
        raise InputError(f"{found}: a StyleGAN without planes and cameras; try the backend stylegan2")
    if any(name.startswith(("bcg_synthesis.", "t_mapping.")) for name in names):
        raise InputError("a whole-head generator of EG3D's family (PanoHead, SphereHead), which is not supported")
    if others := sorted({name.partition(".")[0] for name in names if "." in name and not name.startswith(OWN)}):
        raise InputError(
            f"a relative of EG3D with parts of its own ({', '.join(others[:3])}), as Next3D or GOAE have, whose "
            "pictures this network would not make"
        )


def infer(config: EG3DConfig, shapes: Shapes) -> EG3DConfig:
    """`config` with every size that the tensors of a file tell, by their names in the official layout.

    Raises WeightsError that names the tensor which is missing or does not fit the others.
    """
    backbone = synthesis_sizes(shapes, "backbone.synthesis.", config.channel_base, config.channel_max)
    mapping = mapping_sizes(shapes, "backbone.mapping.")
    require_same_w("backbone.synthesis.b4.conv1.affine.weight", shapes, mapping["w_dim"])
    planes = len(config.plane_axes)
    if backbone["img_channels"] % planes:
        raise WeightsError(
            f"backbone.synthesis.b{backbone['img_resolution']}.torgb.weight has {backbone['img_channels']} outputs, "
            f"which are not {planes} planes"
        )
    plane_channels = backbone["img_channels"] // planes
    hidden, inputs = matrix(shapes, "decoder.net.0.weight")
    outputs, hidden_again = matrix(shapes, "decoder.net.2.weight")
    if inputs != plane_channels:
        raise WeightsError(f"decoder.net.0.weight has {inputs} inputs, where the planes have {plane_channels} channels")
    if hidden_again != hidden:
        raise WeightsError(f"decoder.net.2.weight has {hidden_again} inputs, where decoder.net.0 has {hidden} outputs")
    embed = "backbone.mapping.embed.weight"
    labels = matrix(shapes, embed)[1] if embed in shapes else 0
    if labels not in (0, 25):
        raise WeightsError(f"{embed} takes labels of {labels} numbers, where a camera has 25")
    channels, up = _superresolution(shapes, config.sr_input_resolution, outputs - 1)
    adapted = {
        "c_dim": labels,
        "plane_resolution": backbone["img_resolution"],
        "plane_channels": plane_channels,
        "channel_base": backbone["channel_base"],
        "channel_max": backbone["channel_max"],
        "decoder_hidden": hidden,
        "decoder_features": outputs - 1,
        "sr_channels": channels,
        "sr_up": up,
        "sr_resample_filter": "superresolution.resample_filter" in shapes,
        "img_resolution": config.sr_input_resolution * 2 ** sum(up),
    }
    return dataclasses.replace(config, **mapping, **adapted)


def _superresolution(shapes: Shapes, side: int, features: int) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """Channels of each block and whether it doubles the side, which its noise map tells."""
    pattern = re.compile(r"superresolution\.block(\d+)\.conv0\.weight")
    found = {int(m[1]): shape for name, shape in shapes.items() if (m := pattern.fullmatch(name))}
    channels: list[int] = []
    up: list[bool] = []
    for i in range(len(found)):
        name = f"superresolution.block{i}.conv0"
        if i not in found or len(found[i]) != 4:
            raise WeightsError(f"{name}.weight is missing or has no four dimensions")
        if found[i][1] != features:
            raise WeightsError(f"{name}.weight has {found[i][1]} inputs, where {features} arrive")
        if f"{name}.noise_const" not in shapes:
            raise WeightsError(f"missing is {name}.noise_const, which tells the side of the block")
        reached = shapes[f"{name}.noise_const"][0]
        if reached not in (side, 2 * side):
            raise WeightsError(
                f"{name}.noise_const has side {reached}, where {side} arrives: a block of super-resolution keeps the "
                "side or doubles it"
            )
        up.append(reached == 2 * side)
        side, features = reached, found[i][0]
        channels.append(features)
    if not channels:
        raise WeightsError("superresolution.block0.conv0.weight is missing: no EG3D in the official layout")
    return tuple(channels), tuple(up)
