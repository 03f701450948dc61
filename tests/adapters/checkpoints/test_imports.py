"""From anybody's file to one of ours in the cache, and from there to a generator."""

import dataclasses
import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

import gpk_checkpoints.foreign as module
from gpk.errors import RunError, WeightsError
from gpk.generator import Generator, fingerprint
from gpk.plugin import Backend, Card
from gpk_checkpoints.cache import card_file, source_file
from gpk_checkpoints.files import read_metadata, read_safetensors, write_safetensors
from gpk_checkpoints.imports import import_weights
from gpk_checkpoints.weights import load_generator
from gpk_eg3d import gpk_backends as eg3d_backends
from gpk_eg3d.network import EG3D
from gpk_stylegan2 import gpk_backends as stylegan2_backends
from gpk_stylegan2.network import StyleGAN2

(STYLEGAN2,) = stylegan2_backends()
OWN = STYLEGAN2.own_card()
FFHQ, AFHQ = eg3d_backends()


def backend_of(generator: Generator) -> Backend:
    """The backend of small networks, whose only card does not say of what size they are."""
    backend = FFHQ if isinstance(generator, EG3D) else STYLEGAN2
    return dataclasses.replace(backend, cards=(backend.own_card("small"),), essential=())


def header(path: Path) -> dict[str, Any]:
    return json.loads(read_metadata(path)["gpk"])


def same(one: Mapping[str, Tensor], two: Mapping[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(tensor, two[name]) for name, tensor in one.items())


def inode(path: Path) -> tuple[int, int]:
    return path.stat().st_ino, path.stat().st_mtime_ns


def test_an_official_file_becomes_ours(official: ModuleType, generator: Generator, tmp_path: Path) -> None:
    source, backend = official.written(tmp_path / "network-7.pkl", generator), backend_of(generator)
    sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    made = import_weights(backend, backend.card, source)
    assert made == source_file(backend.name, sha256)
    assert same(read_safetensors(made)[0], generator.state_dict())
    facts = header(made)
    assert (facts["format"], facts["backend"], facts["card"]) == ("gpk-weights/1", backend.name, backend.card.name)
    assert (facts["licence"], facts["title"]) == (backend.card.licence, backend.card.title)
    family = "TriPlaneGenerator" if isinstance(generator, EG3D) else "Generator"
    assert facts["source"] == {
        "name": "network-7.pkl",
        "layout": "pickle",
        "family": family,
        "member": "G_ema",
        "sha256": sha256,
    }
    assert facts["fingerprint"] == fingerprint(generator)
    assert str(tmp_path) not in json.dumps(read_metadata(made))
    assert "/data/x.zip" not in json.dumps(read_metadata(made))
    assert read_metadata(made)["modelspec.license"] == backend.card.licence
    assert read_metadata(made)["modelspec.title"] == backend.card.title


def test_the_config_is_the_files_then_the_cards(official: ModuleType, eg3d: EG3D, tmp_path: Path) -> None:
    card = dataclasses.replace(
        FFHQ.card,
        config={**FFHQ.card.config, "plane_axes": ["xy", "xz", "zy"], "box_warp": 3, "avg_camera_pivot": [1, 1, 1]},
    )
    facts = header(import_weights(FFHQ, card, official.written(tmp_path / "a.pkl", eg3d)))
    ours = json.loads(json.dumps(dataclasses.asdict(eg3d.config)))
    assert facts["config"] == ours
    assert facts["arguments"]["rendering_kwargs"]["box_warp"] == 1.0


def test_the_same_pictures(official: ModuleType, generator: Generator, tmp_path: Path) -> None:
    source, backend = official.written(tmp_path / "a.pkl", generator), backend_of(generator)
    z = torch.randn(1, generator.latent.z_dim, generator=torch.Generator().manual_seed(1))
    pictures = []
    for each in (generator, load_generator(backend, backend.card, source)):
        camera = each.frontal()
        pictures.append(each(each.mapping(z, camera), camera).image)
    assert torch.equal(*pictures)


def test_a_source_is_imported_once(official: ModuleType, stylegan2: StyleGAN2, tmp_path: Path) -> None:
    source = official.written(tmp_path / "a.pkl", stylegan2)
    made = import_weights(STYLEGAN2, OWN, source)
    first, data = inode(made), made.read_bytes()
    load_generator(STYLEGAN2, OWN, source)
    assert import_weights(STYLEGAN2, OWN, source.rename(tmp_path / "b.pkl")) == made
    assert inode(made) == first
    assert [path.name for path in made.parent.iterdir() if path.name != ".lock"] == [made.name]
    # Damaged, or made for another card, it is made again.
    made.write_bytes(data[:-1])
    import_weights(STYLEGAN2, OWN, tmp_path / "b.pkl")
    assert len(made.read_bytes()) == len(data)
    assert header(import_weights(STYLEGAN2, STYLEGAN2.own_card("b"), tmp_path / "b.pkl"))["card"] == "b"


def test_half_precision_is_stored_as_float32(official: ModuleType, stylegan2: StyleGAN2, tmp_path: Path) -> None:
    made = import_weights(STYLEGAN2, OWN, official.written(tmp_path / "a.pkl", stylegan2.half()))
    stored = read_safetensors(made)[0]
    assert {tensor.dtype for tensor in stored.values()} == {torch.float32}
    assert same(stored, {name: tensor.float() for name, tensor in stylegan2.state_dict().items()})


def test_as_the_weights_of_a_card(official: ModuleType, generator: Generator, tmp_path: Path) -> None:
    source, backend = official.written(tmp_path / "a.pkl", generator), backend_of(generator)
    card = backend.cards[-1]
    with pytest.raises(WeightsError, match="has no bundled weights"):
        load_generator(backend, card, None)
    there = card_file(backend.name, card.name)
    assert import_weights(backend, card, source, to=there) == there
    source.unlink()
    loaded = load_generator(backend, card, None)
    assert same(loaded.state_dict(), generator.state_dict())
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_an_import_of_an_import(official: ModuleType, eg3d: EG3D, tmp_path: Path) -> None:
    first = import_weights(FFHQ, FFHQ.card, official.written(tmp_path / "a.pkl", eg3d))
    again = import_weights(FFHQ, FFHQ.card, first, to=tmp_path / "again.safetensors")
    assert header(again)["config"] == header(first)["config"]
    assert header(again)["source"]["layout"] == "safetensors"
    assert same(read_safetensors(again)[0], eg3d.state_dict())


def test_a_file_of_ours_is_loaded_as_it_is(stylegan2: StyleGAN2, tmp_path: Path, cache: Path) -> None:
    write_safetensors(tmp_path / "a", stylegan2.state_dict(), {})
    assert same(load_generator(STYLEGAN2, OWN, tmp_path / "a").state_dict(), stylegan2.state_dict())
    assert not cache.exists()


def test_a_backend_that_adopts_nothing(official: ModuleType, stylegan2: StyleGAN2, tmp_path: Path) -> None:
    plain = dataclasses.replace(STYLEGAN2, name="plain", adopt=None, essential=())
    made = load_generator(plain, plain.card, official.written(tmp_path / "a.pkl", stylegan2))
    assert same(made.state_dict(), stylegan2.state_dict())


@pytest.mark.parametrize("place", ["/proc/gpk", "file"])
def test_a_cache_that_cannot_be_written(
    official: ModuleType, stylegan2: StyleGAN2, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("GPK_CACHE", place if place.startswith("/") else str(tmp_path / place))
    source = official.written(tmp_path / "a.pkl", stylegan2)
    assert same(load_generator(STYLEGAN2, OWN, source).state_dict(), stylegan2.state_dict())
    with pytest.raises(RunError, match=r"cannot write in .*; GPK_CACHE names another folder"):
        import_weights(STYLEGAN2, OWN, source)


def test_a_read_only_cache_is_still_read(
    official: ModuleType, stylegan2: StyleGAN2, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = official.written(tmp_path / "a.pkl", stylegan2)
    made = import_weights(STYLEGAN2, OWN, source)
    # A lock that nobody can take, not even root, for whom every folder can be written to.
    made.with_name(".lock").unlink(missing_ok=True)
    made.with_name(".lock").mkdir()
    # Nothing is converted again: that would be noticed.
    monkeypatch.setattr(module, "read_pickle", None)
    assert same(load_generator(STYLEGAN2, OWN, source).state_dict(), stylegan2.state_dict())


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of a file's size there")
def test_a_full_disk(
    official: ModuleType,
    stylegan2: StyleGAN2,
    tmp_path: Path,
    small_files: Callable[[int], AbstractContextManager[None]],
) -> None:
    source = official.written(tmp_path / "a.pkl", stylegan2)
    there = source_file("stylegan2", hashlib.sha256(source.read_bytes()).hexdigest())
    with small_files(1 << 10):
        assert same(load_generator(STYLEGAN2, OWN, source).state_dict(), stylegan2.state_dict())
    assert [file.name for file in there.parent.iterdir()] == [".lock"]


def missing(generator: StyleGAN2) -> None:
    del generator.synthesis.get_submodule("b8.conv0").bias


def not_finite(generator: StyleGAN2) -> None:
    generator.synthesis.get_parameter("b8.conv0.bias").data[0] = torch.nan


def misshapen(generator: StyleGAN2) -> None:
    generator.synthesis.get_submodule("b8.conv0").bias = torch.nn.Parameter(torch.ones(3))


def surplus(generator: StyleGAN2) -> None:
    generator.synthesis.get_submodule("b8").register_buffer("extra", torch.ones(3))


def complex_numbers(generator: StyleGAN2) -> None:
    generator.synthesis.get_submodule("b8").register_buffer("extra", torch.ones(3, dtype=torch.complex64))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (missing, r"a\.pkl is no whole stylegan2 generator: missing are synthesis\.b8\.conv0\.bias$"),
        (not_finite, r"a\.pkl has numbers that are not finite in synthesis\.b8\.conv0\.bias$"),
        (misshapen, r"a\.pkl has tensors of another shape: synthesis\.b8\.conv0\.bias \[3\], expected \[12\]$"),
        (surplus, r"a\.pkl has tensors that this stylegan2 generator has not: synthesis\.b8\.extra$"),
        (complex_numbers, r"a\.pkl: synthesis\.b8\.extra .*not numbers of a usual type"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_wrong_with_a_file_is_said(
    official: ModuleType, stylegan2: StyleGAN2, tmp_path: Path, cache: Path, harm: Any, message: str
) -> None:
    harm(stylegan2)
    with pytest.raises(WeightsError, match=message):
        load_generator(STYLEGAN2, OWN, official.written(tmp_path / "a.pkl", stylegan2))
    assert not cache.exists()


def test_sizes_that_no_machine_can_hold(tmp_path: Path) -> None:
    """A file of a few kilobytes that tells of a picture of 2^40 pixels a side, and one of a terabyte of noise."""
    for most, message in ((40, "is not of sizes that a stylegan2 generator can have"), (20, "missing are")):
        tensors = {f"synthesis.b{2**i}.conv1.weight": torch.ones(1, 1, 3, 3) for i in range(2, most + 1)}
        tensors[f"synthesis.b{2**most}.torgb.weight"] = torch.ones(3, 1, 1, 1)
        tensors |= {"mapping.fc0.weight": torch.ones(1, 1), "synthesis.b4.conv1.affine.weight": torch.ones(1, 1)}
        write_safetensors(tmp_path / "a", tensors, {})
        with pytest.raises(WeightsError, match=message):
            load_generator(STYLEGAN2, OWN, tmp_path / "a")


def test_another_backends_import(official: ModuleType, eg3d: EG3D, tmp_path: Path) -> None:
    made = import_weights(FFHQ, FFHQ.card, official.written(tmp_path / "a.pkl", eg3d))
    for act in (load_generator, import_weights):
        with pytest.raises(
            WeightsError, match="holds a generator of the backend eg3d-ffhq, not eg3d-afhq: use --backend"
        ):
            act(AFHQ, AFHQ.card, made)


@pytest.mark.parametrize("gpk", ["{", "[]", '{"config": 3}', "[" * 100_000])
def test_damaged_metadata(stylegan2: StyleGAN2, tmp_path: Path, gpk: str) -> None:
    write_safetensors(tmp_path / "a", stylegan2.state_dict(), {"gpk": gpk})
    with pytest.raises(WeightsError, match="gpk metadata"):
        import_weights(STYLEGAN2, OWN, tmp_path / "a")


def test_a_card_of_a_backend_of_ones_own(official: ModuleType, stylegan2: StyleGAN2, tmp_path: Path) -> None:
    card = Card("dogs", "Dogs", "CC0-1.0", dataclasses.asdict(stylegan2.config))
    own = dataclasses.replace(STYLEGAN2, name="dogs", cards=(card,))
    made = import_weights(own, card, official.written(tmp_path / "a.pkl", stylegan2), to=tmp_path / "x" / "out")
    assert (header(made)["backend"], header(made)["licence"]) == ("dogs", "CC0-1.0")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["eg3d-ffhq", "eg3d-afhq"])
def test_a_full_size_file(official: ModuleType, tmp_path: Path, name: str) -> None:
    backend = FFHQ if name == "eg3d-ffhq" else AFHQ
    generator = backend.build(backend.card.config)
    source = official.written(tmp_path / "a.pkl", generator, live=False)
    made = import_weights(backend, backend.card, source)
    assert header(made)["fingerprint"] == fingerprint(generator)
    count = sum(parameter.numel() for parameter in load_generator(backend, backend.card, source).parameters())
    assert count == {"eg3d-ffhq": 30_662_136, "eg3d-afhq": 29_587_512}[name]
