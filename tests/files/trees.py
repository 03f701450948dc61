"""Trees of persistent modules, as the official code has them, from gpk's own networks.

In all of it every module is saved with what it was made of as attributes, whose names these are; many are numpy's.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from persistence import EasyDict, Persistent, module_state, named, plain
from torch import nn

from gpk_eg3d.network import EG3D
from gpk_eg3d.superres import CLAMP, Superresolution
from gpk_stylegan2.layers import FullyConnected, SynthesisLayer, ToRGB
from gpk_stylegan2.mapping import MappingNetwork
from gpk_stylegan2.synthesis import Synthesis, SynthesisBlock

FUSED = {"fused_modconv_default": "inference_only"}
"""Changes speed alone; StyleGAN3's repository and EG3D have it, ADA has not."""
CONSTRUCTOR = {
    "z_dim", "c_dim", "w_dim", "num_ws", "num_layers", "img_resolution", "img_channels", "resolution", "up",
    "activation", "conv_clamp", "channels_last", "is_last", "use_fp16", *FUSED,
}  # fmt: skip
"""What the parts of a network are given by name."""


class Trees:
    """Trees of persistent modules; `newer` ones, of StyleGAN3's repository and EG3D, keep more attributes."""

    def __init__(self, newer: bool) -> None:
        self.newer = newer

    def made(self, module: nn.Module, class_name: str = "Module", *, is_last: bool | None = None) -> Any:
        """The tree of `module`; `is_last` is what a block's parent knows."""
        name, attributes = self.described(module, class_name)
        blocks = [child for child in module.children() if isinstance(child, SynthesisBlock)]
        children = {
            path: self.made(child, is_last=child is blocks[-1] if child in blocks else None)
            for path, child in module.named_children()
        }
        passing = module._non_persistent_buffers_set
        buffers = {path: tensor for path, tensor in module._buffers.items() if path not in passing}
        attributes |= {} if is_last is None else {"is_last": is_last}
        stated = {path: value for path, value in attributes.items() if path in CONSTRUCTOR}
        attributes |= {"_init_args": (), "_init_kwargs": EasyDict(stated)}
        return Persistent(name, module_state(children, module._parameters, buffers, **attributes))

    def described(self, module: nn.Module, class_name: str) -> tuple[str, dict[str, Any]]:
        """The official class of `module`, and its attributes."""
        match module:
            case FullyConnected():
                gains = {"weight_gain": np.float64(module.weight_gain), "bias_gain": module.bias_gain}
                return "FullyConnectedLayer", {
                    "activation": module.activation,
                    **gains,
                    **self.sized("in_features", "out_features", module),
                }
            case SynthesisLayer():
                return "SynthesisLayer", {
                    **self.sized("in_channels", "out_channels", module),
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
                sizes = self.sized("in_channels", "out_channels", module)
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
                last = module.get_submodule(f"b{sides[-1]}.torgb")
                assert isinstance(last, ToRGB)
                known = {"img_resolution": sides[-1], "img_resolution_log2": int(math.log2(sides[-1])), **said}
                known |= {"w_dim": last.affine.weight.shape[1], "img_channels": last.weight.shape[0]}
                return "SynthesisNetwork", {**known, "block_resolutions": sides, "num_ws": module.num_ws}
            case MappingNetwork():
                w_dim, inputs = module.get_submodule("fc0").get_parameter("weight").shape
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

    def sized(self, into: str, out: str, layer: FullyConnected | SynthesisLayer | ToRGB) -> dict[str, int]:
        if not self.newer:
            return {}
        sizes = {into: layer.weight.shape[1], out: layer.weight.shape[0]}
        return sizes if isinstance(layer, FullyConnected) else {**sizes, "w_dim": layer.affine.weight.shape[1]}


def _whole(clamp: float | None) -> float | None:
    return 256 if clamp == CLAMP else clamp


def decoder_of(ours: Any) -> Any:
    net = ours.state["_modules"]["net"].state["_modules"]
    layers = {"0": net["0"], "1": plain(nn.Softplus, module_state({}, beta=1, threshold=20)), "2": net["2"]}
    sequential = plain(nn.Sequential, module_state(layers))
    return plain(named("training.triplane", "OSGDecoder"), module_state({"net": sequential}, hidden_dim=64))


def renderer_of(generator: EG3D) -> Any:
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
