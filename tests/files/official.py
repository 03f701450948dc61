"""Makes files in the layout of the official checkpoints, true to them in all but the numbers.

    python official.py eg3d-ffhq OUT.pkl [--seed N]
    python official.py stylegan2/ffhq-1024 OUT.pkl

writes a full-size file of random numbers, for trying things by hand.

Three repositories write such files. StyleGAN2-ADA keeps the synthesis network's arguments among `synthesis_kwargs`;
StyleGAN3's, which writes StyleGAN2 too (`flat`), beside the others, and has 4 blocks of reduced precision and a clamp of
256 where they are not said; EG3D, which came from it, says both. In all of them every module is saved with what it was
made of as attributes, whose names these are, and many numbers are numpy's.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from corekit.generator import Generator
from corekit.registry import Registry
from gpk_eg3d.network import EG3D
from gpk_eg3d.superres import CLAMP, Superresolution
from gpk_stylegan2.layers import FullyConnected, SynthesisLayer, ToRGB
from gpk_stylegan2.mapping import MappingNetwork
from gpk_stylegan2.network import StyleGAN2
from gpk_stylegan2.synthesis import Synthesis, SynthesisBlock


def _beside(name: str) -> Any:
    """The module beside this one: pytest's importlib mode knows no neighbours."""
    spec = importlib.util.spec_from_file_location(f"files_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    if spec.name not in sys.modules:
        sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[spec.name])
    return sys.modules[spec.name]


_persistence, _poisons = _beside("persistence"), _beside("poisons")
Persistent, EasyDict, NAMED = _persistence.Persistent, _persistence.EasyDict, _persistence.NAMED
standing, plain, named, module_state = (
    _persistence.standing,
    _persistence.plain,
    _persistence.named,
    _persistence.module_state,
)
saved, torch_saved = _persistence.saved, _persistence.torch_saved
poisons, Call = _poisons.poisons, _poisons.Call

FUSED = {"fused_modconv_default": "inference_only"}
"""Changes speed alone; StyleGAN3's repository and EG3D have it, ADA has not."""


def written(
    path: Path,
    generator: Generator,
    *,
    member: str | None = "G_ema",
    protocol: int = 4,
    numpy: int = 2,
    flat: bool = False,
    live: bool = True,
    edit: Callable[[Any], None] | None = None,
    **changes: Any,
) -> Path:
    """Writes the whole file at `path`; with `member` None the bare network, "G" a file without an average.

    Without `live` the file is as it is published: the average alone. `edit` may change the tree of modules, and
    `changes` go into the network's attributes.
    """
    network = network_of(generator, flat=flat)
    network.state.update(changes)
    if edit is not None:
        edit(network)
    if member is None:
        return saved(path, network, protocol=protocol, numpy=numpy)
    whole: dict[str, Any] = {"training_set_kwargs": None, "G": None, "D": None, "augment_pipe": None}
    if live:
        name, folder = "training.dataset.ImageFolderDataset", "/data/x.zip"
        whole["training_set_kwargs"] = EasyDict(class_name=name, path=folder, xflip=np.bool_(True), resolution=16)
        whole["D"] = discriminator()
        if member == "G_ema":
            whole["G"] = network_of(zeroed(generator), flat=flat)
    return saved(path, {**whole, member: network}, protocol=protocol, numpy=numpy)


def arguments_of(generator: Generator, *, flat: bool = False) -> dict[str, Any]:
    """The constructor's arguments as an official checkpoint has them, with what numpy leaves in them."""
    assert isinstance(generator, StyleGAN2 | EG3D)
    c = generator.config
    common: dict[str, Any] = {"z_dim": c.z_dim, "w_dim": c.w_dim, "img_resolution": c.img_resolution, "img_channels": 3}
    common["mapping_kwargs"] = EasyDict(num_layers=c.mapping_layers)
    if c.mapping_lr_multiplier != 0.01:
        common["mapping_kwargs"]["lr_multiplier"] = c.mapping_lr_multiplier
    channels = {"channel_base": c.channel_base, "channel_max": np.int64(c.channel_max)}
    said = {"num_fp16_res": c.num_fp16_res, "conv_clamp": c.conv_clamp}
    if isinstance(generator, StyleGAN2):
        common = {"c_dim": 0, **common, "img_channels": c.img_channels}
        if flat:
            defaults = {"num_fp16_res": 4, "conv_clamp": 256}
            others = {name: value for name, value in said.items() if value != defaults[name]}
            return {**common, **channels, **FUSED, **others}
        return {**common, "synthesis_kwargs": EasyDict({**channels, **said})}
    return {
        "c_dim": c.c_dim,
        **common,
        **channels,
        **FUSED,
        **said,
        "sr_num_fp16_res": generator.config.sr_num_fp16_res,
        "sr_kwargs": EasyDict(channel_base=32768, channel_max=512, **FUSED),
        "rendering_kwargs": rendering_of(generator),
    }


def rendering_of(generator: EG3D) -> dict[str, Any]:
    """The rendering settings, which are saved apart. Official ones have no `sr_input_resolution`: small networks do."""
    c = generator.config
    module = ("4X", "8X")[c.sr_up[0]] + ("DC" if c.sr_up[0] and not c.sr_resample_filter else "")
    names = ("c_gen_conditioning_zero", "c_scale", "sr_antialias", "depth_resolution", "depth_resolution_importance")
    names += ("ray_start", "ray_end", "box_warp", "avg_camera_radius", "sr_input_resolution", "decoder_lr_mul")
    return {
        "image_resolution": c.img_resolution,
        "disparity_space_sampling": False,
        "clamp_mode": "softplus",
        "superresolution_module": f"training.superresolution.SuperresolutionHybrid{module}",
        "superresolution_noise_mode": "none",
        "gpc_reg_prob": 0.8,
        "density_reg": np.float64(0.25),
        "density_reg_p_dist": 0.004,
        "reg_type": "l1",
        "avg_camera_pivot": list(c.avg_camera_pivot),
        **{name: getattr(c, name) for name in names},
    }


def network_of(generator: Generator, *, flat: bool = False) -> Any:
    """The tree of modules that an official file has for `generator`."""
    kwargs = arguments_of(generator, flat=flat)
    attributes = {name: kwargs[name] for name in ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels")}
    if not isinstance(generator, EG3D):
        root = _Trees(flat).made(generator, "Generator")
        attributes |= {"num_ws": generator.latent.num_ws, "_init_kwargs": EasyDict(kwargs)}
    else:
        root = _Trees(newer=True).made(generator, "TriPlaneGenerator")
        rendering = kwargs["rendering_kwargs"]
        sr = root.state["_modules"]["superresolution"]
        sr.class_name = rendering["superresolution_module"].rpartition(".")[2]
        root.state["_modules"]["decoder"] = _decoder(root.state["_modules"]["decoder"])
        root.state["_modules"]["renderer"] = _renderer(generator)
        root.state["_buffers"]["dataset_label_std"] = generator.decoder.net[0].weight.new_ones(25)
        stale = {**rendering, "depth_resolution": 7, "box_warp": 9.0, "avg_camera_pivot": [0, 0, 9]}
        attributes |= {
            "_init_kwargs": EasyDict({**kwargs, "rendering_kwargs": stale}),
            "rendering_kwargs": rendering,
            "neural_rendering_resolution": generator.config.neural_rendering_resolution,
            "_last_planes": None,
        }
    root.state |= {**attributes, "_init_args": ()}
    root.state["_buffers"] |= {
        "passing": torch.ones(1),
        "absent": None,
    }  # one that is not to be saved, and an empty one
    root.state["_non_persistent_buffers_set"] = {"passing"}
    return root


class _Trees:
    """Trees of persistent modules; `newer` ones, of StyleGAN3's repository and EG3D, keep more attributes."""

    def __init__(self, newer: bool) -> None:
        self.newer = newer

    def made(self, module: nn.Module, class_name: str = "Module", **more: Any) -> Any:
        """The tree of `module`; `more` attributes are those that its parent knows."""
        name, attributes = self.described(module, class_name)
        blocks = [child for child in module.children() if isinstance(child, SynthesisBlock)]
        children = {
            path: self.made(child, **({"is_last": child is blocks[-1]} if child in blocks else {}))
            for path, child in module.named_children()
        }
        passing = module._non_persistent_buffers_set
        buffers = {path: tensor for path, tensor in module._buffers.items() if path not in passing}
        attributes |= more | {"_init_args": (), "_init_kwargs": EasyDict(attributes)}
        return Persistent(name, module_state(children, module._parameters, buffers, **attributes))

    def described(self, module: nn.Module, class_name: str) -> tuple[str, dict[str, Any]]:
        """The official class of `module`, and its attributes."""
        match module:
            case FullyConnected():
                gains = {"weight_gain": np.float64(module.weight_gain), "bias_gain": module.bias_gain}
                return "FullyConnectedLayer", {
                    "activation": module.activation,
                    **gains,
                    **self.sized("in_features", "out_features", module.weight),
                }
            case SynthesisLayer():
                return "SynthesisLayer", {
                    **self.sized("in_channels", "out_channels", module.weight),
                    "w_dim": module.affine.weight.shape[1],
                    "resolution": module.resolution,
                    "up": 2 if module.up else 1,
                    "use_noise": True,
                    "activation": "lrelu",
                    "conv_clamp": _whole(module.clamp),
                    "padding": module.weight.shape[-1] // 2,
                    "act_gain": np.sqrt(2),
                }
            case ToRGB():
                gain = np.float64(1 / math.sqrt(module.weight.shape[1]))
                sizes = self.sized("in_channels", "out_channels", module.weight)
                return "ToRGBLayer", {**sizes, "conv_clamp": _whole(module.clamp), "weight_gain": gain}
            case SynthesisBlock():
                return "SynthesisBlock", {
                    "in_channels": 0 if module.first else module.conv0.weight.shape[1],
                    "w_dim": module.conv1.affine.weight.shape[1],
                    "resolution": module.resolution,
                    "img_channels": module.torgb.weight.shape[0],
                    "architecture": "skip",
                    "use_fp16": module.reduced,
                    "channels_last": False,
                    **(FUSED if self.newer else {}),
                    "num_conv": 1 if module.first else 2,
                    "num_torgb": 1,
                }
            case Synthesis():
                sides = list(module.resolutions)
                reduced = sum(block.reduced for _, block in module.blocks())
                said = {"num_fp16_res": reduced} if self.newer else {}
                known = {"img_resolution": sides[-1], "img_resolution_log2": int(math.log2(sides[-1])), **said}
                return "SynthesisNetwork", {**known, "block_resolutions": sides, "num_ws": module.num_ws}
            case MappingNetwork():
                w_dim, inputs = module.fc0.weight.shape  # pyright: ignore[reportGeneralTypeIssues]
                return "MappingNetwork", {
                    "z_dim": inputs - (w_dim if module.label_dim else 0),
                    "c_dim": module.label_dim,
                    "w_dim": w_dim,
                    "num_ws": module.num_ws,
                    "num_layers": module.layers,
                    "w_avg_beta": 0.998,
                }
            case Superresolution():
                return class_name, {"sr_antialias": module.antialias}
            case _:
                return ("Generator" if hasattr(module, "synthesis") else class_name), {}

    def sized(self, into: str, out: str, weight: Tensor) -> dict[str, int]:
        return {into: weight.shape[1], out: weight.shape[0]} if self.newer else {}


def _whole(clamp: float | None) -> float | None:
    return int(clamp) if clamp == CLAMP else clamp


def _decoder(ours: Any) -> Any:
    net = ours.state["_modules"]["net"].state["_modules"]
    layers = {"0": net["0"], "1": plain(nn.Softplus, module_state({}, beta=1, threshold=20)), "2": net["2"]}
    sequential = plain(nn.Sequential, module_state(layers))
    return plain(named("training.triplane", "OSGDecoder"), module_state({"net": sequential}, hidden_dim=64))


def _renderer(generator: EG3D) -> Any:
    """Its plane axes, a plain attribute: of each plane the axes along width, height and depth."""
    axes = [(*pair, *({"x", "y", "z"} - set(pair))) for pair in generator.config.plane_axes]
    planes = torch.stack([torch.eye(3)[["xyz".index(axis) for axis in three]] for three in axes])
    marcher = plain(named("training.volumetric_rendering.ray_marcher", "MipRayMarcher2"), module_state({}))
    state = module_state({"ray_marcher": marcher}, plane_axes=planes)
    return plain(named("training.volumetric_rendering.renderer", "ImportanceRenderer"), state)


def discriminator() -> Any:
    """A small discriminator."""
    shapes = {"fromrgb": (4, 3, 1, 1), "conv0": (4, 4, 3, 3), "conv1": (4, 4, 3, 3), "skip": (4, 4, 1, 1)}
    block = {name: _layer("Conv2dLayer", shape) for name, shape in shapes.items()}
    last = {"conv": _layer("Conv2dLayer", (4, 5, 3, 3))}
    last |= {"fc": _layer("FullyConnectedLayer", (4, 64)), "out": _layer("FullyConnectedLayer", (1, 4))}
    blocks = {"b16": block, "b8": block, "b4": last}
    modules = {
        name: Persistent("DiscriminatorEpilogue" if name == "b4" else "DiscriminatorBlock", module_state(layers))
        for name, layers in blocks.items()
    }
    arguments = {"c_dim": 0, "img_resolution": 16, "img_channels": 3, "channel_base": 128, "channel_max": 12}
    return Persistent("Discriminator", module_state(modules, _init_args=(), _init_kwargs=EasyDict(arguments)))


def _layer(class_name: str, shape: tuple[int, ...]) -> Any:
    tensors = {"weight": nn.Parameter(torch.ones(shape)), "bias": nn.Parameter(torch.ones(shape[0]))}
    return Persistent(class_name, module_state({}, tensors, activation="lrelu"))


def zeroed(generator: Generator) -> Generator:
    other = copy.deepcopy(generator)
    for parameter in other.parameters():
        parameter.data.zero_()
    return other


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("card")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    name, _, card_name = given.card.partition("/")
    backend = Registry.discover().backend(name)
    card = next(card for card in backend.cards if card.name == (card_name or backend.card.name))
    torch.manual_seed(given.seed)
    generator = backend.build(card.config)
    for name, tensor in generator.state_dict().items():
        if name.endswith(("bias", "noise_strength", "w_avg")):
            tensor.add_(torch.randn(tensor.shape), alpha=0.1)
    written(given.out, generator, live=False)
    print(f"{given.out}: {sum(p.numel() for p in generator.parameters()):,} random numbers")


if __name__ == "__main__":
    main()
