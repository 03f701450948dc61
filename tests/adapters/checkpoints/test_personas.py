import hashlib
import json
import os
from pathlib import Path

import pytest
import torch
from torch import nn

from gpk.errors import PersonaError
from gpk.lowrank import Layout, LoRA, Offset
from gpk.persona import Origin, Persona
from gpk.recipe import Recipe
from gpk.testing.alike import alike
from gpk_checkpoints.exports import export_merged, export_peft
from gpk_checkpoints.files import read_safetensors, write_safetensors
from gpk_checkpoints.personas import load_persona, read_header, save_persona


def persona(layout: Layout = "kernel", *, licence: str = "CC0-1.0") -> Persona:
    rng = torch.Generator().manual_seed(0)
    changes = {
        "b4.conv1.weight": LoRA((6, 5, 3, 3), rank=2, scale=0.5, layout=layout, rng=rng),
        "b4.conv1.affine.weight": LoRA((5, 4), rank=2, scale=8.0, layout=layout, rng=rng),
        "b4.conv1.bias": Offset((6,)),
    }
    for change in changes.values():
        for parameter in change.parameters():
            nn.init.normal_(parameter, generator=rng)
    origin = Origin("eg3d-ffhq", "ffhq512-128", "ab" * 32, licence, 10, 4000, {"gpk": "0.1.0"})
    anchors, cameras = torch.randn(3, 4, generator=rng), torch.randn(3, 25, generator=rng)
    return Persona(changes, Recipe(rank=2, layout=layout), origin, anchors, cameras)


def rewritten(path: Path, header: object = None, **tensors: torch.Tensor | None) -> None:
    """The persona at `path` with another header, or tensors replaced (None: taken away)."""
    stored, metadata = read_safetensors(path)
    kept = {key: tensor for key, tensor in (stored | tensors).items() if tensor is not None}
    write_safetensors(path, kept, metadata if header is None else metadata | {"gpk": json.dumps(header)})


def test_a_persona_comes_back(tmp_path: Path) -> None:
    ours, path = persona(), tmp_path / "a.persona.safetensors"
    save_persona(path, ours)
    theirs = load_persona(path)
    assert theirs.header() == ours.header() == read_header(path)
    assert list(theirs.changes) == list(ours.changes)
    for name, tensor in ours.tensors().items():
        assert torch.equal(theirs.tensors()[name], tensor)


def test_the_same_persona_is_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_persona(tmp_path / name, persona())
    save_persona(tmp_path / "c", load_persona(tmp_path / "a"))
    assert len({hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in "abc"}) == 1


def test_what_model_browsers_read(tmp_path: Path) -> None:
    save_persona(tmp_path / "a", persona())
    _, metadata = read_safetensors(tmp_path / "a")
    assert {key: value for key, value in metadata.items() if key != "gpk"} == {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "eg3d-ffhq/lora",
        "modelspec.implementation": "gpk",
        "modelspec.title": "Persona for eg3d-ffhq (ffhq512-128)",
        "modelspec.license": "CC0-1.0",
    }
    save_persona(tmp_path / "b", persona(licence=""))
    assert "modelspec.license" not in read_safetensors(tmp_path / "b")[1]


def test_a_missing_file(tmp_path: Path) -> None:
    for read in (load_persona, read_header):
        with pytest.raises(PersonaError, match=r"cannot read .*absent: No such file"):
            read(tmp_path / "absent")


def test_a_file_cut_short(tmp_path: Path) -> None:
    save_persona(tmp_path / "a", persona())
    os.truncate(tmp_path / "a", 500)
    with pytest.raises(PersonaError, match="a is not a whole safetensors file"):
        load_persona(tmp_path / "a")


def test_another_safetensors_file(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "a", {"w": torch.ones(1)}, {})
    with pytest.raises(PersonaError, match="a is no persona: a safetensors file without gpk's header"):
        load_persona(tmp_path / "a")
    write_safetensors(tmp_path / "b", {"w": torch.ones(1)}, {"gpk": "{"})
    with pytest.raises(PersonaError, match="b: its header is damaged"):
        read_header(tmp_path / "b")
    write_safetensors(tmp_path / "c", {"w": torch.ones(1)}, {"gpk": '{"config": {}}'})
    with pytest.raises(PersonaError, match="c is no persona: its header has no format"):
        read_header(tmp_path / "c")


def test_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    save_persona(path, persona())
    header = read_header(path)
    faults = [
        ({"b4.conv1.bias.D": None}, None, r"1 tensors are missing, the first b4\.conv1\.bias\.D"),
        ({"extra": torch.ones(1)}, None, "1 tensors are surplus, the first extra"),
        ({"b4.conv1.bias.D": torch.ones(2)}, None, r"b4\.conv1\.bias\.D has shape \[2\]"),
        ({"b4.conv1.bias.D": torch.full((6,), torch.nan)}, None, "not finite"),
        ({}, header | {"format": "gpk-persona/2"}, "format 'gpk-persona/2'"),
        ({}, header | {"sites": 3}, "its header is damaged"),
        ({}, header | {"sites": {"w": {"shape": [float("inf"), 4]}}}, "its header is damaged"),
        ({}, header | {"recipe": {"rnk": 2}}, "unknown recipe key 'rnk': did you mean 'rank'"),
    ]
    for tensors, changed, message in faults:
        save_persona(path, persona())
        rewritten(path, changed, **tensors)
        with pytest.raises(PersonaError, match=rf"{path}: .*{message}"):
            load_persona(path)


def test_merged_weights(tmp_path: Path) -> None:
    origin = {"backend": "tiny", "card": "tiny-3", "licence": "MIT", "config": {"width": 3}}
    export_merged(tmp_path / "a", {"w": torch.ones(2)}, origin)
    tensors, metadata = read_safetensors(tmp_path / "a")
    assert tensors["w"].tolist() == [1, 1]
    assert json.loads(metadata["gpk"]) == origin
    assert metadata["modelspec.title"] == "tiny-3 with a persona merged"
    assert metadata["modelspec.license"] == "MIT"


def test_an_attached_persona_is_not_merged(tmp_path: Path) -> None:
    with pytest.raises(PersonaError, match="attached, not merged"):
        export_merged(tmp_path / "a", {"b4.parametrizations.weight.original": torch.ones(2)}, {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("layout", ["flat", "kernel"])
def test_pefts_arithmetic_gives_our_change(tmp_path: Path, layout: Layout) -> None:
    """alpha / r times B applied to A, with PEFT's shapes, its pattern keys matched as it does: by a path's end."""
    ours = persona(layout)
    assert export_peft(tmp_path, ours) == ("b4.conv1.bias",)
    tensors, _ = read_safetensors(tmp_path / "adapter_model.safetensors")
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["peft_type"] == "LORA"
    assert config["target_modules"] == ["b4.conv1", "b4.conv1.affine"]
    assert len(tensors) == 4
    for path in config["target_modules"]:
        a, b = (tensors[f"base_model.model.{path}.lora_{x}.weight"] for x in "AB")
        rank = config["rank_pattern"].get(path, config["r"])
        alpha = config["alpha_pattern"].get(path, config["lora_alpha"])
        assert a.shape[0] == b.shape[1] == rank
        change = ours.changes[f"{path}.weight"]
        assert a.shape[1:] == change.delta().shape[1:]
        assert alike(alpha / rank * torch.einsum("or...,ri...->oi...", b, a), change.delta(), within=2e-6)
    assert "PEFT itself cannot attach them" in (tmp_path / "README.md").read_text()


def test_what_pefts_layout_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(PersonaError, match="loralib layout reinterprets memory"):
        export_peft(tmp_path, persona("loralib"))
    ours = persona()
    del ours.changes["b4.conv1.weight"], ours.changes["b4.conv1.affine.weight"]
    with pytest.raises(PersonaError, match="this persona has no LoRA"):
        export_peft(tmp_path, ours)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("site", "message"),
    [
        ({"shape": "6"}, "a shape is '6'"),
        ({"shape": [True]}, r"a shape is \[True\]"),
        ({"shape": [6.0]}, r"a shape is \[6\.0\]"),
        ({"shape": [1] * 9}, r"a shape is \[1, 1"),
        ({"shape": [6, 5], "scale": True}, "a scale is True"),
        ({"shape": [6, 5], "scale": "1"}, "a scale is '1'"),
        ({"shape": [6, 5], "scale": 1.0, "rank": 1.5}, r"a rank is 1\.5"),
        ({"shape": [6, 5], "scale": 1.0, "rank": True}, "a rank is True"),
    ],
)
def test_a_site_of_other_types_is_refused(tmp_path: Path, site: dict[str, object], message: str) -> None:
    path = tmp_path / "a.persona.safetensors"
    save_persona(path, persona())
    header = read_header(path)
    rewritten(path, header | {"sites": header["sites"] | {"b4.conv1.bias": site}})
    with pytest.raises(PersonaError, match=message):
        load_persona(path)


def test_sites_are_held_against_the_file_together(tmp_path: Path) -> None:
    path = tmp_path / "a.persona.safetensors"
    save_persona(path, persona())
    header = read_header(path)
    stored = sum(tensor.numel() for tensor in persona().tensors().values())
    rewritten(path, header | {"sites": {f"s{n}": {"shape": [stored // 2 + 1]} for n in range(2)}})
    with pytest.raises(PersonaError, match="more than the whole file holds"):
        load_persona(path)


def test_anchors_that_are_no_floats_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.persona.safetensors"
    for kind in (torch.bool, torch.uint8, torch.int64):
        save_persona(path, persona())
        rewritten(path, anchors=torch.ones(3, 4).to(kind))
        with pytest.raises(PersonaError, match=r"anchors is of \w+, and floats are needed"):
            load_persona(path)
