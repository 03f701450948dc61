"""A third party's weights: read as data alone, and held against the tensors that a network wants."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from gpk.errors import WeightsError
from gpk_checkpoints.foreign import Place, contents, read_checkpoint, stored
from gpk_checkpoints.sniffed import own_kind


def read_state_dict(file: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of what torch.save wrote, on the CPU; nothing that the file names is run.

    Raises WeightsError, which says what the file is, where it holds no names and tensors.
    """
    wanted = "A state dict of that network"
    read = read_checkpoint(file, wanted=wanted)
    if (what := own_kind(read.facts)) is not None:
        raise WeightsError(f"{file} is {what}. {wanted} is needed")
    whole = next((network for network in read.networks if not network.key), None)
    if whole is None or not whole.tensors:
        raise WeightsError(f"{file} holds no state dict, names to tensors, which is wanted; it holds {contents(read)}")
    return dict(stored(read, Place(whole)).tensors)


def fitting(
    state: Mapping[str, Tensor], wanted: Mapping[str, torch.Size], *, wrong: str, remedy: str
) -> dict[str, Tensor]:
    """The `wanted` tensors of a state dict, which may hold more.

    Raises WeightsError where one is missing or of another shape: a sentence that starts with `wrong`, which names the
    file and what it is not, and ends with `remedy`.
    """
    missing = [name for name in wanted if name not in state]
    if missing:
        raise WeightsError(
            f"{wrong}: {len(missing)} of {len(wanted)} tensors are missing, such as {', '.join(missing[:3])}. {remedy}"
        )
    for name, shape in wanted.items():
        if state[name].shape != shape:
            raise WeightsError(f"{wrong}: {name} is {list(state[name].shape)}, not {list(shape)}. {remedy}")
    return {name: state[name] for name in wanted}


def shapes(network: nn.Module) -> dict[str, torch.Size]:
    """The shape of each tensor in the network's state dict, by name."""
    return {name: value.shape for name, value in network.state_dict().items()}
