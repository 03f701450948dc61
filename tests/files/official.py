"""Makes files in the layout of the official checkpoints, true to them in all but the numbers.

    python official.py eg3d-ffhq OUT.pkl [--seed N]
    python official.py stylegan2/ffhq-1024 OUT.pkl

writes a full-size file of random numbers, for trying things by hand.

Three repositories write such files. StyleGAN2-ADA keeps the synthesis network's arguments among `synthesis_kwargs`;
StyleGAN3's, which writes StyleGAN2 too (`flat`), beside the others, and has 4 blocks of reduced precision and a clamp
of 256 where they are not said; EG3D, which came from it, says both.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from persistence import EasyDict, saved
from trees import FUSED, Trees, decoder_of, discriminator, renderer_of

from gpk.generator import Generator
from gpk.registry import Registry
from gpk_eg3d.network import EG3D
from gpk_stylegan2.network import StyleGAN2


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
        common = {"c_dim": 0, **common, "img_channels": generator.config.img_channels}
        if flat:
            defaults = {"num_fp16_res": 4, "conv_clamp": 256}
            others = {name: value for name, value in said.items() if value != defaults[name]}
            return {**common, **channels, **FUSED, **others}
        return {**common, "synthesis_kwargs": EasyDict({**channels, **said})}
    return {
        "c_dim": generator.config.c_dim,
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
        root = Trees(flat).made(generator, "Generator")
        attributes |= {"num_ws": generator.latent.num_ws, "_init_kwargs": EasyDict(kwargs)}
    else:
        root = Trees(newer=True).made(generator, "TriPlaneGenerator")
        rendering = kwargs["rendering_kwargs"]
        sr = root.state["_modules"]["superresolution"]
        sr.class_name = rendering["superresolution_module"].rpartition(".")[2]
        root.state["_modules"]["decoder"] = decoder_of(root.state["_modules"]["decoder"])
        root.state["_modules"]["renderer"] = renderer_of(generator)
        root.state["_buffers"]["dataset_label_std"] = next(generator.parameters()).new_ones(25)
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
