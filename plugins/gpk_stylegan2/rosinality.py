r"""Rosinality's StyleGAN2 checkpoints by the official names: the same network, its tensors called and shaped otherwise.

    official                                rosinality (github.com/rosinality/stylegan2-pytorch, state dict)
    mapping.fc{i}.*                         style.{i+1}.*
    mapping.w_avg                           latent_avg, beside the state dict
    synthesis.b4.const [C, 4, 4]            input.input [1, C, 4, 4]
    synthesis.b4.conv1, .torgb              conv1, to_rgb1
    synthesis.b{8*2^i}.conv0, conv1, torgb  convs.{2i}, convs.{2i+1}, to_rgbs.{i}
    noise_const [r, r] of layer j           noises.noise_{j} [1, 1, r, r]

with i and j counted from 0.

What a file does not hold: the filters, which are always [1, 3, 3, 1]; before noise maps were stored, those, drawn here
from N(0, 1) as in training; in a training's own checkpoints the mean of w, measured here over AVERAGED samples.

Shapes: C channels, r a layer's side, L latent layers, D latent width.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from gpk.checkpoint import Adopted
from gpk.errors import InputError, WeightsError
from gpk_stylegan2.mapping import MappingNetwork
from gpk_stylegan2.resample import binomial_filter
from gpk_stylegan2.stored import AVERAGE, one_mean

SETTINGS: Mapping[str, object] = {"mapping_lr_multiplier": 0.01, "num_fp16_res": 0, "conv_clamp": None}
"""What is so in every such checkpoint."""
AVERAGED = 10_000
"""Samples that the mean of w is measured over where a file has none."""
FILTERS = re.compile(r"(convs\.\d+\.conv\.blur|to_rgbs\.\d+\.upsample)\.kernel")
"""Names of the filters that some files store."""
LAYER = {
    "weight": "conv.weight",
    "bias": "activate.bias",
    "noise_strength": "noise.weight",
    "affine.weight": "conv.modulation.weight",
    "affine.bias": "conv.modulation.bias",
}
"""What the tensors of a convolution are called there, by the official names."""
TORGB = {
    "weight": "conv.weight",
    "bias": "bias",
    "affine.weight": "conv.modulation.weight",
    "affine.bias": "conv.modulation.bias",
}
"""The same of a projection to RGB."""


def is_rosinality(tensors: Mapping[str, Tensor]) -> bool:
    """Whether these are the tensors of such a checkpoint."""
    return "input.input" in tensors


def taken(tensors: Mapping[str, Tensor]) -> Adopted:
    """What there is to take of such a checkpoint, and what had to be made up; raises as `official_tensors` does."""
    notes = []
    if AVERAGE not in tensors:
        notes.append(f"the file has no mean of w (latent_avg): it is measured over {AVERAGED:,} draws of z, seed 0")
    if not any(name.startswith("noises.") for name in tensors):
        notes.append("the file has no noise maps: they are drawn from N(0, 1), as in training")
    filters = {name: "the filter is always [1, 3, 3, 1]" for name in tensors if FILTERS.fullmatch(name)}
    return Adopted(SETTINGS, official_tensors(tensors), filters, tuple(notes))


def official_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors by their official names, `latent_avg` being one of the given.

    Raises WeightsError where one is missing, of an impossible shape, or has no place, InputError for another filter.
    """
    blocks = 0
    while f"to_rgbs.{blocks}.bias" in tensors:
        blocks += 1
    layers = 0
    while f"style.{layers + 1}.weight" in tensors:
        layers += 1
    left = dict(tensors)
    ours: dict[str, Tensor] = {}
    for i in range(layers):
        for name in ("weight", "bias"):
            ours[f"mapping.fc{i}.{name}"] = _taken(left, f"style.{i + 1}.{name}")
    ours["synthesis.b4.const"] = _squeezed(left, "input.input", 4)
    for j, (path, theirs) in enumerate(_convolutions(blocks)):
        side = 4 * 2 ** ((j + 1) // 2)
        for name, other in LAYER.items():
            ours[f"{path}.{name}"] = _layer_tensor(left, f"{theirs}.{other}")
        noise = f"noises.noise_{j}"
        ours[f"{path}.noise_const"] = _squeezed(left, noise, 4)[0] if noise in left else _drawn(side, j)
        ours[f"{path}.resample_filter"] = binomial_filter()
    for i in range(blocks + 1):
        path, theirs = f"synthesis.b{4 * 2**i}", f"to_rgbs.{i - 1}" if i else "to_rgb1"
        for name, other in TORGB.items():
            ours[f"{path}.torgb.{name}"] = _layer_tensor(left, f"{theirs}.{other}")
        ours[f"{path}.resample_filter"] = binomial_filter()
    given = left.pop(AVERAGE, None)
    ours["mapping.w_avg"] = _measured_average(ours, layers) if given is None else one_mean(given).flatten()
    _refuse_the_rest(left)
    return ours


def _convolutions(blocks: int) -> Iterator[tuple[str, str]]:
    """The official and the other path of every convolution, in execution order."""
    yield "synthesis.b4.conv1", "conv1"
    for i in range(blocks):
        for k in (0, 1):
            yield f"synthesis.b{8 * 2**i}.conv{k}", f"convs.{2 * i + k}"


def _taken(left: dict[str, Tensor], name: str) -> Tensor:
    if name not in left:
        raise WeightsError(f"{name} is missing: no whole checkpoint in rosinality's layout")
    return left.pop(name)


def _squeezed(left: dict[str, Tensor], name: str, dimensions: int) -> Tensor:
    """The tensor without its first dimension, which must be 1."""
    tensor = _taken(left, name)
    if tensor.ndim != dimensions or len(tensor) != 1:
        raise WeightsError(f"{name} is {list(tensor.shape)}, which is not rosinality's layout")
    return tensor[0]


def _layer_tensor(left: dict[str, Tensor], name: str) -> Tensor:
    if name.endswith("conv.weight"):
        return _squeezed(left, name, 5)
    if name.endswith("noise.weight"):
        return _squeezed(left, name, 1)
    return _taken(left, name).flatten() if name.endswith(".bias") else _taken(left, name)


def _drawn(side: int, layer: int) -> Tensor:
    """The noise map [side, side] of a layer whose file has none: the same at every import."""
    return torch.randn(side, side, generator=torch.Generator().manual_seed(layer))


def _measured_average(ours: Mapping[str, Tensor], layers: int) -> Tensor:
    """The mean [D] of mapped samples, the same at every import."""
    weights = {name.removeprefix("mapping."): ours[name].float() for name in ours if name.startswith("mapping.fc")}
    if not layers or any(weight.ndim != 2 for name, weight in weights.items() if name.endswith("weight")):
        raise WeightsError("style.1.weight is missing or no matrix: no whole checkpoint in rosinality's layout")
    w_dim, z_dim = weights["fc0.weight"].shape
    with torch.random.fork_rng(devices=()):
        mapping = MappingNetwork(z_dim, w_dim, 1, layers=layers, lr_multiplier=0.01)
    try:
        mapping.load_state_dict({**weights, "w_avg": torch.zeros(w_dim)})
    except RuntimeError as error:
        raise WeightsError(f"the layers of style do not fit each other: {error}") from error
    z = torch.randn(AVERAGED, z_dim, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return mapping(z)[:, 0].mean(0)


def _refuse_the_rest(left: Mapping[str, Tensor]) -> None:
    """What is left must be filters, and those ours, whatever their gain."""
    for name, tensor in left.items():
        if not FILTERS.fullmatch(name):
            raise WeightsError(f"{name} has no place in a StyleGAN2 of rosinality's layout")
        scaled = tensor.float() / tensor.float().sum()
        if scaled.shape != (4, 4) or not torch.allclose(scaled, binomial_filter(), atol=1e-5):
            raise InputError(f"{name} is another filter than [1, 3, 3, 1], which is not supported")
