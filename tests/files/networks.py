"""Networks saved whole: the official trainings' snapshots, and what torch.save makes of a module."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import official
import persistence
import torch
import trees
from layout import Layout
from torch import nn

Maker = Callable[[Path, Any], str]


def snapshot(name: str = "network-snapshot-000200.pkl", **options: Any) -> Maker:
    """A maker of an official pickle; `options` as `official.written` takes them."""
    return lambda folder, generator: str(official.written(folder / name, generator, **options))


def torch_saved(name: str, part: str = "", *, legacy: bool = False, flat: bool = False) -> Maker:
    """A maker of what torch.save makes of the official network, or of a `part` of it."""

    def make(folder: Path, generator: Any) -> str:
        network = official.network_of(generator, flat=flat)
        return str(persistence.torch_saved(folder / name, network.at(part) if part else network, legacy=legacy))

    return make


def foreign(module: nn.Module, *, top: bool = True) -> Any:
    """`module` as an instance of a class that nobody has when the file is read, its parts likewise."""
    if isinstance(module, nn.Sequential | nn.Softplus):
        kind = type(module)
    else:
        kind = persistence.named("model", "Generator" if top else "Block" if list(module.children()) else "Layer")
    children = {name: foreign(child, top=False) for name, child in module.named_children()}
    known = {name: value for name, value in vars(module).items() if isinstance(value, int | float | str | tuple)}
    passing = set(module._non_persistent_buffers_set)
    state = persistence.module_state(children, module._parameters, module._buffers, **known)
    return persistence.plain(kind, state | {"_non_persistent_buffers_set": passing})


def _foreign(name: str, legacy: bool = False) -> Maker:
    return lambda folder, generator: str(persistence.torch_saved(folder / name, foreign(generator), legacy=legacy))


def _in_a_dict(folder: Path, generator: Any) -> str:
    whole = {"G_ema": official.network_of(generator), "step": 3}
    return str(persistence.torch_saved(folder / "g.pt", whole))


def _arrays(network: Any) -> None:
    """What numpy makes of an array, which others' attributes are."""
    network.state |= {"seen": np.arange(6).reshape(2, 3).T, "label_std": np.float32(0.5), "done": np.bool_(True)}
    network.state["sizes"] = {"in": np.array([36, 36]), "none": np.zeros((0, 2), np.float16)}


def _live(folder: Path, generator: Any) -> str:
    """A file whose G is the generator, and whose G_ema is another."""
    path, network = folder / "snapshot.pkl", official.network_of(generator)
    other = official.network_of(official.zeroed(generator))
    return str(persistence.saved(path, {"G": network, "D": trees.discriminator(), "G_ema": other})) + "::G"


OFFICIAL = (
    Layout("official", "the official trainings", snapshot(), tells=True),
    Layout("official, published", "publishers: the average alone", snapshot(live=False), tells=True),
    Layout("official, only G", "a training without an average", snapshot(member="G"), tells=True),
    Layout("official, bare network", "pickle.dump(G_ema)", snapshot("g.pkl", member=None), tells=True),
    Layout("official, half precision", "G_ema.half()", snapshot(), tells=True, dtype=torch.float16),
    Layout("official, renamed .pt", "somebody who wanted a .pt", snapshot("renamed.pt"), tells=True),
    *(
        Layout(f"official, protocol {protocol}", "any Python", snapshot(protocol=protocol), tells=True)
        for protocol in (2, 3, 5)
    ),
    *(
        Layout(
            f"official, numpy {numpy} arrays, protocol {protocol}",
            "a fork that keeps arrays as attributes",
            snapshot(numpy=numpy, protocol=protocol, edit=_arrays),
            tells=True,
        )
        for numpy, protocol in ((1, 2), (1, 4), (2, 2), (2, 4), (2, 5))
    ),
    Layout("official, G although there is G_ema", "whoever wants the live weights", _live, tells=True),
)

MODULES = (
    Layout("whole module, zip", "torch.save(G)", torch_saved("g.pt"), tells=True),
    Layout("whole module, legacy", "torch.save(G) before torch 1.6", torch_saved("g.pt", legacy=True), tells=True),
    Layout("whole module, half", "torch.save(G.half())", torch_saved("g.pt"), tells=True, dtype=torch.float16),
    Layout("whole module of PTI", "PTI", torch_saved("model_ABCDEFGHIJKL_multi_id.pt"), tells=True),
    Layout("whole module, renamed .pkl", "somebody who wanted a .pkl", torch_saved("renamed.pkl"), tells=True),
    Layout("whole module in a dict", "a training loop", _in_a_dict, tells=True),
    Layout("whole module of a foreign class", "a re-implementation", _foreign("g.pt")),
    Layout("whole module of a foreign class, legacy", "a re-implementation", _foreign("g.pt", legacy=True)),
    Layout(
        "synthesis alone",
        "MyStyle",
        torch_saved("mystyle_model.pt", "synthesis"),
        families=("stylegan2",),
        refused=r"(?s)mystyle_model\.pt.*mapping",
        seen="mapping|synthesis",
    ),
)

LAYOUTS = (*OFFICIAL, *MODULES)
