"""Rosinality's StyleGAN2, as its scripts, its converter and the encoders trained on it leave it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import persistence
import torch
import wrapped
from layout import Layout
from torch import Tensor, nn

State = dict[str, Tensor]


ONE = ("stylegan2",)


def renamed(state: Mapping[str, Tensor]) -> State:
    """The official state dict `state` as rosinality's code names and shapes it, with its filters and noise maps."""
    rows = torch.tensor([1.0, 3.0, 3.0, 1.0])
    kernel = torch.outer(rows, rows) / 64 * 4
    theirs: State = {}

    def layer(path: str, name: str) -> None:
        theirs[f"{name}.conv.weight"] = state[f"{path}.weight"][None]
        theirs[f"{name}.conv.modulation.weight"] = state[f"{path}.affine.weight"]
        theirs[f"{name}.conv.modulation.bias"] = state[f"{path}.affine.bias"]
        if f"{path}.noise_strength" in state:
            theirs[f"{name}.noise.weight"] = state[f"{path}.noise_strength"].reshape(1)
            theirs[f"{name}.activate.bias"] = state[f"{path}.bias"]
            noise = f"noises.noise_{sum(n.startswith('noises') for n in theirs)}"
            theirs[noise] = state[f"{path}.noise_const"][None, None]
        else:
            theirs[f"{name}.bias"] = state[f"{path}.bias"].reshape(1, -1, 1, 1)

    for i in range(sum(name.startswith("mapping.fc") for name in state) // 2):
        for kind in ("weight", "bias"):
            theirs[f"style.{i + 1}.{kind}"] = state[f"mapping.fc{i}.{kind}"]
    theirs["input.input"] = state["synthesis.b4.const"][None]
    layer("synthesis.b4.conv1", "conv1")
    layer("synthesis.b4.torgb", "to_rgb1")
    for i in range(sum(name.endswith("conv0.weight") for name in state)):
        layer(f"synthesis.b{8 * 2**i}.conv0", f"convs.{2 * i}")
        layer(f"synthesis.b{8 * 2**i}.conv1", f"convs.{2 * i + 1}")
        layer(f"synthesis.b{8 * 2**i}.torgb", f"to_rgbs.{i}")
        theirs[f"convs.{2 * i}.conv.blur.kernel"] = kernel.clone()
        theirs[f"to_rgbs.{i}.upsample.kernel"] = kernel.clone()
    return theirs


def module(state: State) -> Any:
    """The tree of `model.Generator` for the state dict `state` by rosinality's names, and no others."""

    def made(part: State, name: str) -> Any:
        children: dict[str, State] = {}
        own: dict[str, Tensor] = {}
        for path, tensor in part.items():
            head, dot, rest = path.partition(".")
            if dot:
                children.setdefault(head, {})[rest] = tensor
            else:
                own[head] = tensor
        modules = {head: made(inner, "Layer") for head, inner in children.items()}
        buffers = {path: tensor for path, tensor in own.items() if path == "kernel" or path.startswith("noise_")}
        parameters = {path: nn.Parameter(tensor) for path, tensor in own.items() if path not in buffers}
        state = persistence.module_state(modules, parameters, buffers)
        if any(name.isdigit() for name in modules):
            return persistence.plain(nn.Sequential, state)
        return persistence.plain(persistence.named("model", name), state)

    root = made(state, "Generator")
    vars(root).update(size=16, style_dim=16, channels={4: 12, 8: 12, 16: 8}, n_latent=6)
    return root


def _whole(folder: Path, generator: nn.Module) -> str:
    return str(persistence.torch_saved(folder / "generator.pt", module(renamed(wrapped.state_of(generator)))))


def _training(state: State) -> dict[str, Any]:
    theirs = renamed(state)
    wrong = {name: tensor * 0 for name, tensor in theirs.items()}
    optimizer = {"state": {0: {"step": 5, "exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 0.002, "params": [0]}]}
    args = argparse.Namespace(size=16, latent=16, n_mlp=2, channel_multiplier=2, path="/data/lmdb", r1=10.0, ckpt=None)
    d = {"convs.0.0.weight": torch.ones(4, 3, 1, 1), "final_linear.0.weight": torch.ones(4, 4)}
    return {
        "g": wrong,
        "d": d,
        "g_ema": theirs,
        "g_optim": optimizer,
        "d_optim": optimizer,
        "args": args,
        "ada_aug_p": 0.0,
    }


def _encoder(state: State, average: Callable[[Tensor], Tensor]) -> dict[str, Any]:
    encoder = {"encoder.input_layer.0.weight": torch.ones(4, 3, 3, 3), "encoder.body.0.weight": torch.ones(4)}
    return {
        "state_dict": encoder | wrapped.prefixed(renamed(state), "decoder."),
        "latent_avg": average(state["mapping.w_avg"]),
        "opts": {"output_size": 16, "stylegan_weights": "/models/x.pt", "start_from_latent_avg": True},
    }


def _converted(state: State) -> dict[str, Any]:
    return {"g_ema": renamed(state), "latent_avg": state["mapping.w_avg"]}


def _quiet(state: State) -> dict[str, Any]:
    whole = _converted(state)
    whole["g_ema"] = wrapped.without("noises.")(whole["g_ema"])
    return whole


def _row(
    name: str, by: str, whole: Callable[[State], object], *, file: str = "550000.pt", legacy: bool = False, **more: Any
) -> Any:
    return Layout(name, by, wrapped.pt(file, whole, legacy=legacy), families=ONE, tells=True, **more)


LAYOUTS = (
    _row("rosinality, converted", "its converter", _converted),
    _row("rosinality, converted, legacy", "its converter under torch before 1.6", _converted, legacy=True),
    _row("rosinality, training", "its training, without a mean of w", _training, truncation=1.0),
    _row("rosinality, without noises", "before noise maps were stored", _quiet, noise="none"),
    _row("rosinality, state dict alone", "torch.save(g_ema.state_dict())", renamed, truncation=1.0),
    _row("rosinality, wrapped", "a fork", lambda s: {"state_dict": renamed(s), "epoch": 1}, truncation=1.0),
    _row(
        "rosinality, DataParallel",
        "a training on several GPUs",
        lambda s: {"g_ema": wrapped.prefixed(renamed(s), "module."), "latent_avg": s["mapping.w_avg"]},
    ),
    _row("rosinality in an encoder", "an encoder's training", lambda s: _encoder(s, lambda w: w), file="encoder.pt"),
    _row(
        "rosinality in an encoder, a mean for each layer",
        "pSp, e4e and their like",
        lambda s: _encoder(s, lambda w: w.repeat(6, 1)),
        file="e4e.pt",
    ),
    Layout(
        "rosinality, whole module",
        "torch.save(g_ema): classes of a module named model",
        _whole,
        families=ONE,
        tells=True,
        truncation=1.0,
    ),
    Layout(
        "rosinality, safetensors",
        "a conversion",
        wrapped.tensors("g.safetensors", lambda s: renamed(s) | {"latent_avg": s["mapping.w_avg"]}),
        families=ONE,
        tells=True,
    ),
    _row(
        "rosinality, a tensor short",
        "nobody",
        lambda s: wrapped.without("conv1.activate.bias")(renamed(s)),
        refused=r"550000\.pt .*conv1\.activate\.bias is missing",
    ),
)
