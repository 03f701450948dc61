"""The makers by themselves: what Python and torch read from a file, with its classes at hand, are the numbers given."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import layouts
import numpy as np
import persistence
import pytest
import rosinality
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from gpk_checkpoints.sniffed import container

HELD = [
    pytest.param(row, row.families[i % len(row.families)], id=row.name)
    for i, row in enumerate(row for row in layouts.LAYOUTS if not row.refused)
]


def _reconstruct_persistent_obj(meta: dict[str, Any]) -> Any:
    """The module in `meta`, whose source text is not run."""
    return persistence.Persistent(meta["class_name"], meta["state"])


def read(path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """What the file holds, its classes being the stand-ins."""
    if container(path) == "safetensors":
        return load_file(path)
    monkeypatch.setitem(persistence.NAMED, "torch_utils.persistence", [_reconstruct_persistent_obj])
    with persistence.standing(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch and numpy deprecate what old files have
        if container(path) == "torch":
            return torch.load(path, weights_only=False)
        return pickle.loads(path.read_bytes())


def states(value: object) -> Iterator[Mapping[str, Tensor]]:
    """Every state dict in `value`, and every part of one under a prefix."""
    if isinstance(value, persistence.Persistent | nn.Module):
        yield dict(tensors(value, ""))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from states(inner)
    elif isinstance(value, dict):
        value = {name: torch.as_tensor(item) if isinstance(item, np.ndarray) else item for name, item in value.items()}
        found = {name: tensor for name, tensor in value.items() if isinstance(tensor, Tensor)}
        yield found
        prefixes = {name[: at + 1] for name in found for at, letter in enumerate(name) if letter == "."}
        for start in prefixes:
            yield {name.removeprefix(start): tensor for name, tensor in found.items() if name.startswith(start)}
        for inner in value.values():
            yield from states(inner)


def tensors(module: Any, prefix: str) -> Iterator[tuple[str, Tensor]]:
    """The tensors that the state dict of the tree has."""
    state = module.state if isinstance(module, persistence.Persistent) else vars(module)
    for kind in ("_parameters", "_buffers"):
        for name, tensor in state[kind].items():
            if tensor is not None and name not in {*state["_non_persistent_buffers_set"], "dataset_label_std"}:
                yield prefix + name, tensor
    for name, child in state["_modules"].items():
        yield from tensors(child, f"{prefix}{name}.")


def same(one: Mapping[str, Tensor], two: Mapping[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(tensor, two[name]) for name, tensor in one.items())


@pytest.mark.parametrize(("row", "family"), HELD)
def test_a_file_holds_the_numbers(
    row: Any, family: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = layouts.changed(request.getfixturevalue(family), dict(row.changes)).to(row.dtype or torch.float32)
    wanted: list[Mapping[str, Tensor]] = [network.state_dict()]
    if family == "stylegan2":
        theirs = rosinality.renamed(wanted[0])
        quiet = {name: tensor for name, tensor in theirs.items() if not name.startswith("noises.")}
        wanted += [theirs, quiet, theirs | {"latent_avg": wanted[0]["mapping.w_avg"]}]
    path, _, _ = row.make(tmp_path, network).partition("::")
    assert any(same(found, state) for found in states(read(Path(path), monkeypatch)) for state in wanted)
