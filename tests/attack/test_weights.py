"""Files of weights in every container: headers, names, shapes and types changed, trees built at random."""

from __future__ import annotations

import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from mutations import bytewise, valuewise
from safetensors.torch import save
from torch import nn

from gpk_checkpoints.explain import explain
from gpk_checkpoints.imports import Import, convert
from gpk_checkpoints.inventory import read_imported
from gpk_stylegan2 import gpk_backends
from gpk_stylegan2.network import StyleGAN2

pytestmark = [pytest.mark.attack, pytest.mark.filterwarnings("ignore:Duplicate name")]
COUNT = 1000
(BACKEND,) = gpk_backends()
TYPES = (torch.float16, torch.bfloat16, torch.float64, torch.int32, torch.bool, torch.complex64)
NAMES = (
    "module", "G_ema", "decoder", "generator", "state_dict", "params_ema", "netG_state_dict", "g_ema", "G", "model",
    "ema", "generator_ema", "latent_avg", "D", "", "a.b", "\0", "é", "x" * 900, "mapping.fc0",
)  # fmt: skip


def take(path: Path) -> Import:
    """What an import would write; whatever it is, its explanation is JSON."""
    json.dumps(explain(path, [BACKEND]))
    return convert(BACKEND, None, path)


def test_weights_in_safetensors_with_headers_mutated(tally: Any, tmp_path: Path, stylegan2: StyleGAN2) -> None:
    rng, file = random.Random(0), tmp_path / "changed.safetensors"
    content = save({name: tensor.clone() for name, tensor in stylegan2.state_dict().items()}, {"gpk": "{}"})
    length = int.from_bytes(content[:8], "little")
    header, numbers = json.loads(content[8 : 8 + length]), content[8 + length :]
    for number in range(COUNT):
        if number % 2:
            changed = bytewise(content[: 8 + length], rng)
        else:
            text = json.dumps(valuewise(header, rng)).encode()
            changed = len(text).to_bytes(8, "little") + text
        file.write_bytes(changed + numbers)
        tally.attempt(f"input {number}", lambda: take(file))


def test_weights_with_names_shapes_and_types_mutated(tally: Any, tmp_path: Path, stylegan2: StyleGAN2) -> None:
    """Of no tensor may the numbers become others, so what is taken has the shapes of a generator and finite numbers."""
    rng = random.Random(1)
    for number in range(COUNT):
        state = {name: tensor.clone() for name, tensor in stylegan2.state_dict().items()}
        for name in rng.sample(list(state), rng.choice((1, 1, 2, 5))):
            tensor = state.pop(name)
            match rng.randrange(6):
                case 0:
                    state[rng.choice((name + "x", name[1:], f"{rng.choice(NAMES)}.{name}"))] = tensor
                case 1:
                    state[name] = tensor.flatten()[: rng.randrange(tensor.numel() + 1)].clone()
                case 2:
                    state[name] = torch.stack([tensor] * rng.choice((1, 2, 3)))
                case 3:
                    state[name] = tensor.to(rng.choice(TYPES))
                case 4:
                    state[name] = torch.full_like(tensor, rng.choice((float("nan"), float("inf"))))
                case _:
                    pass
        file = tmp_path / "changed.pt"
        if number % 2:
            torch.save(state, file)
        else:
            file.write_bytes(save(state))
        made = tally.attempt(f"input {number}", lambda file=file: take(file))
        finite = not isinstance(made, Import) or all(t.isfinite().all() for t in made.generator.state_dict().values())
        if not finite:
            tally.fail(f"input {number}", "numbers that are not finite were taken")


def test_weights_in_random_trees(tally: Any, tmp_path: Path, stylegan2: StyleGAN2) -> None:
    """A generator that is the only one in its tree, in a form and depth that are read, is taken bit for bit."""
    rng, file = random.Random(2), tmp_path / "tree.pt"
    state = {name: tensor.clone() for name, tensor in stylegan2.state_dict().items()}
    for number in range(COUNT):
        generators = rng.choice((0, 1, 1, 2))
        tree: Any = {}
        for _ in range(generators):
            tree = {**_wrapped(state, rng), **_beside(tree, rng)}
        torch.save(
            _beside(tree, rng) if rng.random() < 0.5 else tree, file, _use_new_zipfile_serialization=number % 3 > 0
        )
        made = tally.attempt(f"input {number}", lambda: take(file))
        if isinstance(made, Import):
            same = all(torch.equal(tensor, state[name]) for name, tensor in made.generator.state_dict().items())
            if not generators or not same:
                tally.fail(f"input {number}", "what was taken is not the generator")


def _wrapped(state: Any, rng: random.Random) -> Any:
    """The state in up to three dicts or prefixes."""
    for _ in range(rng.randrange(1, 4)):
        name = rng.choice(NAMES)
        if rng.random() < 0.5 and all(isinstance(item, torch.Tensor) for item in state.values()):
            state = {f"{name}.{key}": nn.Parameter(item) for key, item in state.items()}
        else:
            state = {name: rng.choice((state, [state], (state, 3)))}
    return state


def _beside(tree: Any, rng: random.Random) -> Any:
    """The tree with other things in it."""
    other = {"epoch": 3, "latent_avg": torch.zeros(4, 8), "D": {}, "opt": [{"state": tree and {}}], "args": None}
    kept = rng.sample(list(other), rng.randrange(len(other)))
    return {**{name: other[name] for name in kept}, **(tree if isinstance(tree, dict) else {"0": tree})}


def test_archives_of_weights_with_directories_mutated(tally: Any, tmp_path: Path, stylegan2: StyleGAN2) -> None:
    rng, file, made = random.Random(3), tmp_path / "changed.pt", io.BytesIO()
    torch.save({"g_ema": stylegan2.state_dict()}, made)
    content = made.getvalue()
    start = content.rindex(b"PK\5\6")
    directory = int.from_bytes(content[start + 16 : start + 20], "little")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist()
    for number in range(COUNT):
        file.write_bytes(content[:directory] + bytewise(content[directory:], rng))
        tally.attempt(f"input {number}", lambda: take(file))


def test_imported_headers_mutated(tally: Any, tmp_path: Path) -> None:
    rng, file = random.Random(4), tmp_path / "card.safetensors"
    facts = {
        "format": "gpk-weights/1",
        "backend": "b",
        "card": "c",
        "licence": "l",
        "source": {"name": "n", "sha256": "0"},
    }
    for number in range(COUNT):
        file.write_bytes(
            bytewise(save({"w": torch.zeros(2)}, {"gpk": json.dumps(valuewise(facts, rng))}), rng)
            if number % 2
            else save({"w": torch.zeros(2)}, {"gpk": json.dumps(valuewise(facts, rng))})
        )
        tally.attempt(f"input {number}", lambda: read_imported(file))
