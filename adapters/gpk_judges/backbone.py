"""ImageNet weights of LPIPS' backbones, as torchvision publishes them.

They come from the given file, else from torch hub's cache, else by download into that cache.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from corekit.errors import ExtraError, InputError, WeightsError
from gpk_checkpoints.download import download


@dataclass(frozen=True)
class Published:
    """A file of torchvision's; its name ends with the first digits of its SHA-256."""

    url: str
    megabytes: int

    @property
    def name(self) -> str:
        """The file's name."""
        return self.url.rsplit("/", 1)[1]

    @property
    def sha256_prefix(self) -> str:
        """The first digits of the file's hash."""
        return self.name.removesuffix(".pth").rsplit("-", 1)[1]


PUBLISHED = {
    "alex": Published("https://download.pytorch.org/models/alexnet-owt-7be5be79.pth", 244),
    "vgg": Published("https://download.pytorch.org/models/vgg16-397923af.pth", 553),
}

UNREADABLE = (pickle.UnpicklingError, SafetensorError, RuntimeError, ValueError, LookupError, EOFError, OSError)
"""What torch.load(weights_only=True) and safetensors raise on a file of something else."""


def backbone_weights(net: str, given: Path | None, wanted: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    """The backbone's `wanted` tensors by torchvision's names, on the CPU.

    Raises ExtraError where no file is given, cached or to be downloaded, WeightsError where the file is another one.
    """
    file = given or _cached(net) or _downloaded(net)
    if not file.is_file():
        raise WeightsError(f"no LPIPS weights at {file}: {_remedy(net)}")
    state = _state_dict(file)
    wrong = f"{file} is no {PUBLISHED[net].name}"
    missing = [name for name in wanted if name not in state]
    if missing:
        raise WeightsError(
            f"{wrong}: {len(missing)} of {len(wanted)} tensors are missing,"
            f" such as {', '.join(missing[:3])}. {_remedy(net)}"
        )
    for name, shape in wanted.items():
        if state[name].shape != shape:
            raise WeightsError(f"{wrong}: {name} is {list(state[name].shape)}, not {list(shape)}. {_remedy(net)}")
    return {name: state[name] for name in wanted}


def _state_dict(file: Path) -> dict[str, Tensor]:
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        state = torch.load(file, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        reason = str(error).split("\n", 1)[0]
        raise WeightsError(f"{file} is not a state dict that can be read without running its code: {reason}") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"{file} holds no state dict: a flat mapping of names to tensors is wanted")
    return state


def _cache_folder() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


def _cached(net: str) -> Path | None:
    file = _cache_folder() / PUBLISHED[net].name
    return file if file.is_file() else None


def _downloaded(net: str) -> Path:
    """The file, fetched once into torch hub's cache and checked against its hash."""
    published = PUBLISHED[net]
    file = _cache_folder() / published.name
    try:
        # Not torch.hub's own: it waits forever for a silent server, and starts over where it was cut off.
        download(published.url, file, sha256=published.sha256_prefix)
    except InputError as error:
        raise ExtraError(
            f"LPIPS needs {published.name} ({published.megabytes} MB), which could not be downloaded: {error}."
            f" {_remedy(net)}"
        ) from error
    return file


def _remedy(net: str) -> str:
    published = PUBLISHED[net]
    return (
        f"Get {published.url} and give it with --lpips-weights FILE (or put it into {_cache_folder()}),"
        " or choose another distance with --distance NAME"
    )
