"""Any model of timm's as a judge of general subjects: its pooled features, such as DINOv2's of a cat.

    cos(f(a), f(b)) is high for pictures of one thing   (Oquab et al., 2023, arXiv 2304.07193, for instance retrieval)

A picture is resized to the side that the model was trained at, whole: an aligned subject fills its picture, and timm's
centre crop would cut its ears off. Interpolation, mean and deviation are the model's own.

Weights come from the given file, else from the cache of `huggingface_hub`, else by download into gpk's own. timm's
loader takes them, for it knows each family's older names; it is handed tensors, never a file to unpickle.

Shapes: B batch, R side, F features.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gpk.errors import ExtraError, InputError, UnknownNameError, WeightsError
from gpk_checkpoints.cache import cache_folder
from gpk_checkpoints.download import download
from gpk_judges.weights import read_state_dict

HUB_FILES = ("model.safetensors", "pytorch_model.bin")
"""Names of weights on the hub, the preferred one first."""


class PooledFeatures(nn.Module):
    """A timm model without its head, frozen and always in evaluation mode; differentiable in the picture.

    `config` is timm's data config of the model.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, config: dict[str, Any]) -> None:
        super().__init__()
        self.network = network
        self._sides = tuple(config["input_size"][1:])
        self._mode = "bilinear" if config["interpolation"] == "bilinear" else "bicubic"
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(config[name]).view(3, 1, 1), persistent=False)
        self.requires_grad_(False).train(False)

    def forward(self, images: Tensor) -> Tensor:
        """Unit features [B, F] of images [B, 3, R, R] in [-1, 1]."""
        resized = F.interpolate(images, self._sides, mode=self._mode, align_corners=False, antialias=True)
        picture = (resized.clamp(-1, 1) + 1) / 2  # bicubic overshoots, a picture file does not
        return F.normalize(self.network((picture - self.mean) / self.std).flatten(1), dim=1)

    def train(self, mode: bool = True) -> Self:
        """Stays in evaluation mode: features may not depend on what else is in the batch."""
        return super().train(False)


def check_name(name: str) -> None:
    """Raises UnknownNameError, with the nearest names, where timm has no model `name`; ExtraError without timm."""
    timm = _package()
    known = {*timm.list_models(), *timm.list_pretrained()}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=5)
        error = UnknownNameError("timm model", name, near)
        # Known are more than a thousand: all of them would bury the message.
        hint = f"the nearest are {', '.join(near)}" if near else "none is near"
        error.args = (f"unknown timm model {name!r}: {hint}. Python's timm.list_pretrained() has them all",)
        raise error


def load(name: str, weights: Path | None) -> PooledFeatures:
    """The timm model `name`, its weights from the state dict in the given file or, where None, from the hub's.

    Raises UnknownNameError, ExtraError where timm or the weights cannot be had, WeightsError where the file is of
    something else.
    """
    timm = _package()
    check_name(name)
    file = weights or _published(name, timm.get_pretrained_cfg(name))
    if not file.is_file():
        raise WeightsError(f"no weights of {name} at {file}: give the file that timm publishes")
    state = read_state_dict(file)
    try:
        with torch.random.fork_rng(devices=[]):  # the first weights are random ones
            network = timm.create_model(name, pretrained=True, pretrained_cfg_overlay={"state_dict": state})
    except (RuntimeError, LookupError, ValueError) as error:  # names or shapes that its family does not know
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(f"{file} does not hold the weights of {name}, head included: {reason}") from error
    config = timm.data.resolve_model_data_config(network)
    network.pretrained_cfg.pop("state_dict", None)
    network.reset_classifier(0)  # after loading: with the head in place nothing may be missing unnoticed
    return PooledFeatures(network, config)


def _published(name: str, config: Any) -> Path:  # noqa: ANN401 - timm's, which is optional
    """The file that timm would load, from the hub's cache or fetched once into gpk's."""
    import huggingface_hub

    names = (config.hf_hub_filename,) if config and config.hf_hub_filename else HUB_FILES
    url = config.url if config else None
    if config and config.hf_hub_id:
        for candidate in names:
            cached = huggingface_hub.try_to_load_from_cache(config.hf_hub_id, candidate)
            if isinstance(cached, str):
                return Path(cached)
        url = huggingface_hub.hf_hub_url(config.hf_hub_id, names[0])
    if not url:
        raise ExtraError(f"timm publishes no weights of {name}: give a file, as timm:{name}=FILE")
    file = cache_folder() / "judges" / f"timm-{name}{Path(url).suffix}"
    try:
        # Not the hub's own client: offline it tries for most of a minute, and complains on the way.
        download(url, file)
    except InputError as error:
        raise ExtraError(
            f"the weights of {name} could not be downloaded: {error}. Get {url} and give it as timm:{name}=FILE"
        ) from error
    return file


def _package() -> ModuleType:
    try:
        import timm
        import timm.data
    except (ImportError, RuntimeError) as error:  # torchvision built for another torch raises RuntimeError
        raise ExtraError(f'timm is not usable here ({error}): pip install "gpk[timm]"') from error
    return timm
