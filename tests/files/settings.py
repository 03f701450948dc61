"""Official files that state settings: those that gpk must honour, and those that it must not pass over in silence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import networks
import persistence
import torch
from layout import Layout
from networks import torch_saved
from torch import nn

snapshot = partial(networks.snapshot, live=False)

Edit = Callable[[Any], None]
TWO, THREE = ("stylegan2",), ("eg3d",)
FLAT = {"conv_clamp": 256.0, "num_fp16_res": 4}


def modules(root: Any) -> Iterator[Any]:
    """Every persistent module of the tree."""
    yield root
    for child in root.state["_modules"].values():
        if isinstance(child, persistence.Persistent):
            yield from modules(child)


def argument(*path: str, value: Any) -> Edit:
    """Sets a constructor's argument, which may be nested."""

    def edit(root: Any) -> None:
        place = root.state["_init_kwargs"]
        for name in path[:-1]:
            place = place.setdefault(name, {})
        place[path[-1]] = value

    return edit


def rendering(**values: Any) -> Edit:
    """Sets rendering settings; ... takes one away."""

    def edit(root: Any) -> None:
        for name, value in values.items():
            if value is ...:
                del root.state["rendering_kwargs"][name]
            else:
                root.state["rendering_kwargs"][name] = value

    return edit


def attribute(class_name: str, first: bool = False, **values: Any) -> Edit:
    """Sets attributes of every module of a class, or of the `first` alone."""

    def edit(root: Any) -> None:
        found = [module for module in modules(root) if module.class_name == class_name]
        for module in found[:1] if first else found:
            module.state.update(values)

    return edit


def _relu_mapping(root: Any) -> None:
    """What a training with another activation of the mapping leaves."""
    argument("mapping_kwargs", "activation", value="relu")(root)
    for module in modules(root):
        if module.class_name == "FullyConnectedLayer" and module.state["activation"] == "lrelu":
            module.state["activation"] = "relu"


def _silent(root: Any) -> None:
    """The arguments say nothing of the clamp: each layer has its own."""
    kwargs = root.state["_init_kwargs"]
    kwargs.get("synthesis_kwargs", kwargs).pop("conv_clamp")


HONOURED = (
    Layout("flat", "StyleGAN3's repository", snapshot(flat=True), TWO, tells=True, changes=FLAT),
    Layout("flat, in float32", "its training with --fp32", snapshot(flat=True), TWO, tells=True),
    Layout("flat, whole module", "torch.save(G)", torch_saved("g.pt", flat=True), TWO, tells=True, changes=FLAT),
    Layout("ADA, reduced precision", "ADA's training", snapshot(), TWO, tells=True, changes=FLAT),
    Layout("a clamp that bites", "somebody's training", snapshot(), TWO, tells=True, changes={"conv_clamp": 0.5}),
    Layout(
        "a clamp that only the layers tell",
        "StyleGAN3's repository, with another default",
        snapshot(edit=_silent),
        tells=True,
        changes={"conv_clamp": 0.5},
    ),
    Layout(
        "another learning rate of the mapping",
        "somebody's training",
        snapshot(),
        tells=True,
        changes={"mapping_lr_multiplier": 0.02},
    ),
    *(
        Layout(f"{name} {value}", by, snapshot(), THREE, tells=True, changes={name: value})
        for name, value, by in (
            ("c_gen_conditioning_zero", True, "a training without conditioning"),
            ("c_scale", 0.5, "a training with weaker labels"),
            ("sr_num_fp16_res", 0, "a training in float32"),
            ("neural_rendering_resolution", 4, "an early snapshot"),
            ("decoder_lr_mul", 0.5, "somebody's training"),
            ("box_warp", 1.6, "another subject"),
            ("avg_camera_pivot", (0.0, 0.0, -0.06), "another subject"),
            ("plane_axes", ("xy", "xz", "zy"), "a fork whose third plane is mended"),
        )
    ),
    Layout(
        "sr_antialias False",
        "an early training",
        snapshot(),
        THREE,
        tells=True,
        changes={"sr_antialias": False, "neural_rendering_resolution": 16},
    ),
    Layout(
        "c_scale missing",
        "EG3D before it was there: labels are multiplied by 0",
        snapshot(edit=rendering(c_scale=...)),
        THREE,
        tells=True,
        changes={"c_scale": 0.0},
    ),
    Layout(
        "4X",
        "EG3D at 256 x 256",
        snapshot(),
        THREE,
        tells=True,
        changes={"sr_up": (False, True), "img_resolution": 16},
    ),
    Layout(
        "2X",
        "EG3D at 128 x 128: ShapeNet",
        snapshot(edit=rendering(superresolution_module="training.superresolution.SuperresolutionHybrid2X")),
        THREE,
        tells=True,
        changes={"sr_up": (False, True), "img_resolution": 16},
    ),
)


def _reshaped(**changes: Any) -> Callable[[Path, Any], str]:
    """A snapshot of a StyleGAN2 that gpk has not: shapes and arguments agree."""

    def edit(root: Any) -> None:
        root.state.update(changes)
        root.state["_init_kwargs"].update(changes)
        if "img_channels" in changes:
            for block in root.at("synthesis").state["_modules"].values():
                own = block.at("torgb").state["_parameters"]
                own.update({name: nn.Parameter(tensor[:1].clone()) for name, tensor in own.items()})
        if "c_dim" in changes:
            mapping = root.at("mapping")
            mapping.state["c_dim"] = changes["c_dim"]
            first = mapping.at("fc0").state["_parameters"]
            embed = {"weight": nn.Parameter(torch.ones(16, changes["c_dim"])), "bias": nn.Parameter(torch.zeros(16))}
            weight = torch.cat([first["weight"], torch.zeros(len(first["weight"]), 16)], dim=1)
            first["weight"] = nn.Parameter(weight)
            state = persistence.module_state({}, embed, activation="linear", bias_gain=1)
            mapping.state["_modules"]["embed"] = persistence.Persistent("FullyConnectedLayer", state)

    return snapshot("odd.pkl", edit=edit)


def _refused(name: str, edit: Edit, pattern: str, families: tuple[str, ...] = (*TWO, *THREE)) -> Any:
    make = snapshot("odd.pkl", edit=edit)
    return Layout(name, "somebody's training", make, families, tells=True, refused=rf"(?s)odd\.pkl.*{pattern}")


REFUSED = (
    _refused(
        "another activation of the mapping",
        _relu_mapping,
        "activation.*relu",
    ),
    _refused("another activation, said by arguments", argument("mapping_kwargs", "activation", value="relu"), "activ"),
    _refused("another activation of the layers", attribute("SynthesisLayer", activation="relu"), "activation.*relu"),
    _refused(
        "another activation of one layer",
        attribute("SynthesisLayer", first=True, activation="swish"),
        "activation.*swish",
    ),
    _refused("clamps that differ", attribute("SynthesisLayer", first=True, conv_clamp=7), "conv_clamp"),
    _refused("another architecture", attribute("SynthesisBlock", architecture="orig"), "architecture.*orig"),
    _refused("an unknown argument", argument("style_warp", value=3), "style_warp"),
    _refused("an unknown argument of the mapping", argument("mapping_kwargs", "style_warp", value=3), "style_warp"),
    _refused(
        "an unknown argument of the synthesis",
        argument("synthesis_kwargs", "style_warp", value=3),
        "style_warp",
        families=TWO,
    ),
    Layout(
        "grey pictures",
        "a training on grey pictures",
        _reshaped(img_channels=1),
        TWO,
        tells=True,
        refused=r"odd\.pkl.*(img_channels|channel)",
    ),
    Layout(
        "classes",
        "a training with labels",
        _reshaped(c_dim=10),
        TWO,
        tells=True,
        refused=r"odd\.pkl.*(c_dim|class-conditional)",
    ),
    *(
        _refused(f"{name} {value}", rendering(**{name: value}), f"{name}.*{value}", THREE)
        for name, value in (
            ("superresolution_noise_mode", "random"),
            ("disparity_space_sampling", True),
            ("clamp_mode", "relu"),
            ("ray_start", "auto"),
        )
    ),
)

LAYOUTS = (*HONOURED, *REFUSED)
