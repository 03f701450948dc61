"""Snapshots of My3DGen's training, true to the description of one in all but the numbers; no real one was at hand.

A dict as EG3D's, in which G and G_ema are one object. Around each block, convolution, affine and ToRGB lies a module;
around what has a weight it has `lora_A` and `lora_B`, and an Identity where there is no dropout. What the modules are
called that the description has no word for does not matter to a reader.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import official
import persistence
import torch
import trees
from layout import Layout
from safetensors.torch import save_file
from torch import Tensor, nn

from gpk_eg3d.network import EG3D

Factors = dict[str, tuple[Tensor, Tensor]]
KINDS = ("conv", "affine", "torgb")


@dataclass(frozen=True)
class Snapshot:
    """What a training made of a generator: `tuned`, which is it with what was trained besides, the `factors` A and B by
    the keys of its weights, and what the modules state.
    """

    tuned: EG3D
    factors: Factors
    stated: Mapping[str, float]

    def tree(self) -> Any:
        """The generator's tree of modules."""
        root = official.network_of(self.tuned)
        backbone, superres = root.at("backbone").state["_modules"], root.at("superresolution").state["_modules"]
        blocks = backbone["synthesis"].state["_modules"]
        for name in blocks:
            blocks[name] = self._block(blocks[name], f"backbone.synthesis.{name}")
        backbone["synthesis"] = _around(backbone["synthesis"], "synthesis")
        for name in superres:
            superres[name] = self._block(superres[name], f"superresolution.{name}")
        return root

    def _block(self, block: Any, path: str) -> Any:
        layers = block.state["_modules"]
        for name, layer in layers.items():
            inside = layer.state["_modules"]
            inside["affine"] = self._layer(inside["affine"], f"{path}.{name}.affine", "fully_connected_layer")
            word = "torgb_layer" if name == "torgb" else "synthesis_layer"
            layers[name] = self._layer(layer, f"{path}.{name}", word)
        return _around(block, "synthesis_block")

    def _layer(self, layer: Any, path: str, word: str) -> Any:
        a, b = self.factors[f"{path}.weight"]
        around = _around(layer, word, lora_A=nn.Parameter(a), lora_B=nn.Parameter(b))
        around.state["_modules"]["dropout"] = persistence.plain(nn.Identity, persistence.module_state({}))
        around.state |= self.stated
        return around

    def state(self) -> dict[str, Tensor]:
        """Its state dict."""
        return {name: tensor.detach().clone() for name, tensor in _tensors(self.tree(), "")}

    def written(self, path: Path, *, protocol: int = 4, edit: Callable[[Any], None] | None = None) -> Path:
        """Writes the pickle."""
        return persistence.saved(path, self._whole(edit), protocol=protocol)

    def torch_saved(self, path: Path) -> Path:
        """Writes the same dict with torch.save."""
        return persistence.torch_saved(path, self._whole(None))

    def _whole(self, edit: Callable[[Any], None] | None) -> dict[str, Any]:
        root = self.tree()
        if edit is not None:
            edit(root)
        kwargs = persistence.EasyDict(class_name="training.dataset.ImageFolderDataset", resolution=32)
        others = {"D": trees.discriminator(), "augment_pipe": None}
        return {"training_set_kwargs": kwargs, "G": root, "G_ema": root, **others}


def trained(
    generator: EG3D,
    *,
    rank: int = 1,
    layout: str = "kernel",
    alpha: float | None = 16,
    decoder: bool = False,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> Snapshot:
    """A snapshot of what was tuned from `generator`; its modules state nothing where `alpha` is None."""
    rng = torch.Generator().manual_seed(seed)
    tuned = copy.deepcopy(generator)
    factors: Factors = {}
    for site in tuned.sites():
        weight = tuned.get_submodule(site.path).get_parameter(site.parameter)
        if site.part == "decoder" and decoder:
            weight.data.add_(torch.randn(weight.shape, generator=rng), alpha=0.1)
        if site.part not in ("backbone", "superres"):
            continue
        if site.kind not in KINDS:
            weight.data.add_(torch.randn(weight.shape, generator=rng), alpha=0.1)
            continue
        rows, columns = weight.shape[0], weight[0].numel()
        k = weight.shape[-1] if site.kind == "conv" else 1
        a, b = {
            "kernel": ((rank * k, columns), (rows, rank * k)),
            "flat": ((rank, columns), (rows, rank)),
            "loralib": ((rank * k, columns // k), (rows * k, rank * k)),
        }[layout]
        made = (torch.randn(shape, generator=rng) / math.sqrt(shape[1]) for shape in (a, b))
        first, second = (factor.mul(0.3).to(dtype) for factor in made)
        factors[site.key] = (first, second)
    stated = {} if alpha is None else {"r": rank, "lora_alpha": alpha, "scaling": alpha / rank}
    return Snapshot(tuned.to(dtype), factors, stated)


def _around(inner: Any, word: str, **parameters: nn.Parameter) -> Any:
    """A module around `inner`, which is called `word` in it."""
    return persistence.Persistent("Around", persistence.module_state({word: inner}, parameters))


def _tensors(module: Any, prefix: str) -> Any:
    state = module.state if isinstance(module, persistence.Persistent) else vars(module)
    for kind in ("_parameters", "_buffers"):
        for name, tensor in state[kind].items():
            if tensor is not None and name not in state["_non_persistent_buffers_set"]:
                yield prefix + name, tensor
    for name, child in state["_modules"].items():
        yield from _tensors(child, f"{prefix}{name}.")


def _pickle(folder: Path, generator: Any) -> str:
    return str(trained(generator).written(folder / "network-snapshot-000500.pkl"))


def _state_dict(folder: Path, generator: Any) -> str:
    save_file(trained(generator).state(), folder / "cat.safetensors")
    return str(folder / "cat.safetensors")


def _unwrapped(folder: Path, generator: Any) -> str:
    """Factors beside layers that nothing is wrapped around."""
    made = trained(generator)
    beside = {key.replace("weight", name): pair[i] for key, pair in made.factors.items()
              for i, name in enumerate(("lora_A", "lora_B"))}  # fmt: skip
    save_file({**made.tuned.state_dict(), **beside}, folder / "cat.safetensors")
    return str(folder / "cat.safetensors")


REFUSED = r"(?s)holds.* persona .*`gpk persona import FILE"
LAYOUTS = tuple(
    Layout(name, by, make, families=("eg3d",), refused=REFUSED, seen="gpk persona import")
    for name, by, make in (
        ("a snapshot of My3DGen", "its training", _pickle),
        ("a snapshot of My3DGen, safetensors", "a conversion of its state dict", _state_dict),
        ("factors beside the layers", "somebody who took the wrappers off", _unwrapped),
    )
)
"""Rows of the vault: what is no generator, but a persona."""
