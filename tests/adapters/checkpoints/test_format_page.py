"""docs/persona-format.md: the file that it shows is one, and its reader reads what gpk writes."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gpk.lowrank import Layout, LoRA, Offset
from gpk.persona import Origin, Persona
from gpk.recipe import Recipe
from gpk.testing.alike import alike
from gpk_checkpoints.files import read_safetensors, write_safetensors
from gpk_checkpoints.personas import load_persona, save_persona

Reader = Callable[[Path], tuple[dict[str, Any], dict[str, np.ndarray], np.ndarray]]


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("format_example", Path(__file__).with_name("format_example.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page(example: ModuleType) -> str:
    return example.PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def read_persona(page: str) -> Reader:
    """The page's reader, without the line that uses it."""
    (code,) = re.findall(r"(?ms)^```python\n(.*?)^```$", page)
    names: dict[str, Any] = {}
    exec(compile(code.rpartition("\n\n\n")[0], "persona-format.md", "exec", dont_inherit=True), names)
    return names["read_persona"]


def shown(page: str, example: ModuleType) -> bytes:
    return example.undumped("".join(re.findall(r"(?ms)^```hexdump\n(.*?)^```$", page)))


def test_the_page_is_as_the_script_writes_it(page: str, example: ModuleType) -> None:
    assert page == example.page(page), "run: python tests/adapters/checkpoints/format_example.py"


def test_the_bytes_of_the_page_are_a_persona(page: str, example: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "tiny.persona.safetensors"
    path.write_bytes(shown(page, example))
    theirs, ours = load_persona(path), example.example()
    assert theirs.header() == ours.header()
    assert theirs.tensors().keys() == ours.tensors().keys()
    for name, tensor in ours.tensors().items():
        assert torch.equal(theirs.tensors()[name], tensor), name
    (text,) = re.findall(r"(?ms)^```json\n(.*?)^```$", page)
    assert json.loads(text) == theirs.header()


def test_what_the_page_says_of_the_numbers(
    page: str, example: ModuleType, tmp_path: Path, read_persona: Reader
) -> None:
    path = tmp_path / "tiny.persona.safetensors"
    path.write_bytes(shown(page, example))
    header, changes, anchors = read_persona(path)
    assert header["numbers"] == 13
    assert anchors.tolist() == [[1, 2], [3, 4]]
    assert changes["conv.bias"].tolist() == [0.25, -0.5]
    np.testing.assert_array_equal(changes["conv.weight"][0].ravel(), 0.5 * np.arange(1, 10) / 8)
    np.testing.assert_array_equal(changes["conv.weight"][1].ravel(), 0.5 * -2 * np.arange(1, 10) / 8)


def test_a_damaged_dump_is_no_persona(page: str, example: ModuleType) -> None:
    lines = "".join(re.findall(r"(?ms)^```hexdump\n(.*?)^```$", page)).splitlines()
    with pytest.raises(ValueError, match="a line is missing before 0028"):
        example.undumped("\n".join(line for line in lines if not line.startswith("0018")))


@pytest.mark.parametrize("layout", ["flat", "kernel", "loralib"])
def test_the_pages_reader_reads_what_gpk_writes(layout: Layout, tmp_path: Path, read_persona: Reader) -> None:
    rng = torch.Generator().manual_seed(0)
    changes = {
        "b4.conv1.weight": LoRA((6, 5, 3, 3), rank=2, scale=0.5, layout=layout, rng=rng),
        "b8.conv0.weight": LoRA((6, 5, 3, 3), rank=1, scale=1.0, layout=layout, rng=rng),
        "b4.conv1.affine.weight": LoRA((5, 4), rank=2, scale=8.0, layout=layout, rng=rng),
        "b4.conv1.noise_strength": Offset(()),
        "b4.const": Offset((6, 4, 4)),
    }
    for change in changes.values():
        for parameter in change.parameters():
            nn.init.normal_(parameter, generator=rng)
    recipe = Recipe(rank=2, layout=layout, rank_pattern={"backbone.8": 1})
    origin = Origin("eg3d-ffhq", "ffhq512-128", "ab" * 32)
    anchors, cameras = torch.randn(3, 14, 4, generator=rng), torch.randn(3, 25, generator=rng)
    path = tmp_path / "a.persona.safetensors"
    save_persona(path, Persona(changes, recipe, origin, anchors, cameras))
    header, read, codes = read_persona(path)
    assert header == load_persona(path).header()
    np.testing.assert_array_equal(codes, anchors.numpy())
    assert read.keys() == changes.keys()
    for key, change in changes.items():
        assert alike(torch.from_numpy(read[key].copy()), change.delta().detach(), within=1e-6)


def test_the_pages_reader_refuses(tmp_path: Path, example: ModuleType, read_persona: Reader) -> None:
    path = tmp_path / "a.persona.safetensors"
    save_persona(path, example.example())
    tensors, metadata = read_safetensors(path)
    write_safetensors(path, tensors | {"more": torch.ones(1)}, metadata)
    with pytest.raises(ValueError, match="does not tell of"):
        read_persona(path)
    write_safetensors(path, tensors, metadata | {"gpk": metadata["gpk"].replace("persona/1", "persona/2")})
    with pytest.raises(ValueError, match="is of the format gpk-persona/2"):
        read_persona(path)


def test_every_key_is_in_the_tables(page: str, example: ModuleType) -> None:
    header = example.example().header()
    sites = [key for site in header["sites"].values() for key in site]
    for key in (*header, *header["recipe"], *Recipe.__dataclass_fields__, *sites, *Origin.__dataclass_fields__):
        assert f"\n| `{key}` |" in page, key
