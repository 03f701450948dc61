"""A third party's weights: read as data alone, and held against the tensors that a network wants."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from gpk.errors import WeightsError
from gpk_checkpoints.budget import brief, open_file

UNREADABLE = (pickle.UnpicklingError, SafetensorError, RuntimeError, ValueError, LookupError, EOFError, OSError)
"""What torch.load(weights_only=True) and safetensors raise on a file of something else."""


def read_state_dict(file: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors, or of what torch.save wrote, on the CPU; nothing that the file names is run.

    Raises WeightsError where it is neither, or holds anything but names and tensors.
    """
    try:
        if file.suffix == ".safetensors":
            with open_file(file):  # a pipe is refused, and nobody waits for it
                return load_file(file)
        with open_file(file) as opened:
            state = torch.load(opened, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        reason = brief(str(error).split("\n", 1)[0])
        raise WeightsError(f"{file} is not a state dict that can be read without running its code: {reason}") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"{file} holds no state dict: a flat mapping of names to tensors is wanted")
    return state


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
