"""ImageNet weights of the backbones of LPIPS and DISTS, as torchvision publishes them.

They come from the given file, else from torch hub's cache, else by download into that cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from gpk.errors import ExtraError, InputError, WeightsError
from gpk_checkpoints.download import download
from gpk_judges.weights import fitting, read_state_dict

Metric = Literal["LPIPS", "DISTS"]


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
    "squeeze": Published("https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth", 5),
}
"""By the network's name."""


def backbone_weights(
    net: str, given: Path | None, wanted: Mapping[str, torch.Size], *, metric: Metric
) -> dict[str, Tensor]:
    """The backbone's `wanted` tensors by torchvision's names, on the CPU.

    Raises ExtraError where no file is given, cached or to be downloaded, WeightsError where the file is another one;
    both tell what `metric` needs.
    """
    remedy = _remedy(net, metric)
    file = given or _cached(net) or _downloaded(net, metric)
    if not file.is_file():
        raise WeightsError(f"no {metric} weights at {file}: {remedy}")
    return fitting(read_state_dict(file), wanted, wrong=f"{file} is no {PUBLISHED[net].name}", remedy=remedy)


def _cache_folder() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


def _cached(net: str) -> Path | None:
    file = _cache_folder() / PUBLISHED[net].name
    return file if file.is_file() else None


def _downloaded(net: str, metric: Metric) -> Path:
    """The file, fetched once into torch hub's cache and checked against its hash."""
    published = PUBLISHED[net]
    file = _cache_folder() / published.name
    try:
        # Not torch.hub's own: it waits forever for a silent server, and starts over where it was cut off.
        download(published.url, file, sha256=published.sha256_prefix)
    except InputError as error:
        raise ExtraError(
            f"{metric} needs {published.name} ({published.megabytes} MB), which could not be downloaded: {error}."
            f" {_remedy(net, metric)}"
        ) from error
    return file


def _remedy(net: str, metric: Metric) -> str:
    put = f"put it into {_cache_folder()}"
    give = f"give it with --lpips-weights FILE (or {put})" if metric == "LPIPS" else put
    return f"Get {PUBLISHED[net].url} and {give}, or take --distance stlpips-alex, whose weights pip brings"
