import argparse
import pickle
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from types import ModuleType
from typing import Any

import poisons
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from gpk.checkpoint import Stored
from gpk.errors import WeightsError
from gpk.generator import Generator
from gpk.plugin import Backend
from gpk_checkpoints.files import write_safetensors
from gpk_checkpoints.foreign import Place, find_place, read_checkpoint, stored
from gpk_checkpoints.inert import read_pickle
from gpk_checkpoints.networks import networks_in
from gpk_checkpoints.pickled import NumpyArray, Record
from gpk_eg3d import gpk_backends as eg3d_backends
from gpk_eg3d.network import EG3D
from gpk_stylegan2 import gpk_backends as stylegan2_backends
from gpk_stylegan2.network import StyleGAN2

STYLEGAN2, FACES = stylegan2_backends()[0], eg3d_backends()[0]


def taken(path: Path, backend: Backend = STYLEGAN2) -> tuple[Place, Stored]:
    """Where the generator lies in the file, and what is there."""
    read = read_checkpoint(path)
    place = find_place(read, backend)
    return place, stored(read, place)


def same(network: Stored, generator: Generator) -> bool:
    state = generator.state_dict()
    found = {name: t for name, t in network.tensors.items() if name != "dataset_label_std"}  # of every EG3D's
    return found.keys() == state.keys() and all(torch.equal(tensor, state[name]) for name, tensor in found.items())


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_an_official_file(official: ModuleType, generator: Generator, tmp_path: Path, protocol: int) -> None:
    path = official.written(tmp_path / "a.pkl", generator, protocol=protocol)
    place, network = taken(path, FACES if isinstance(generator, EG3D) else STYLEGAN2)
    assert same(network, generator)
    family = "TriPlaneGenerator" if isinstance(generator, EG3D) else "Generator"
    assert (place.label, place.network.kind, place.network.modules[""]["z_dim"]) == ("G_ema", family, 12)


def test_half_precision_stays_what_it_is(official: ModuleType, stylegan2: StyleGAN2, tmp_path: Path) -> None:
    _, network = taken(official.written(tmp_path / "a.pkl", stylegan2.half()))
    assert same(network, stylegan2)
    assert {tensor.dtype for tensor in network.tensors.values()} == {torch.float16}


def test_the_arguments_of_a_stylegan2(official: ModuleType, stylegan2: StyleGAN2, tmp_path: Path) -> None:
    assert taken(official.written(tmp_path / "a.pkl", stylegan2))[1].arguments == {
        "c_dim": 0,
        "z_dim": 12,
        "w_dim": 16,
        "img_resolution": 16,
        "img_channels": 3,
        "mapping_kwargs": {"num_layers": 2},
        "synthesis_kwargs": {"channel_base": 128, "channel_max": 12, "num_fp16_res": 0, "conv_clamp": None},
    }


def test_what_an_eg3d_is_now_comes_before_what_it_was_made_with(
    official: ModuleType, eg3d: EG3D, tmp_path: Path
) -> None:
    arguments = taken(official.written(tmp_path / "a.pkl", eg3d), FACES)[1].arguments
    assert arguments["rendering_kwargs"]["depth_resolution"] == 6  # the constructor's was 7
    assert arguments["rendering_kwargs"]["avg_camera_pivot"] == [0.0, 0.0, 0.2]
    assert arguments["rendering_kwargs"]["density_reg"] == 0.25
    assert arguments["neural_rendering_resolution"] == 8


def test_odd_arguments_become_json(official: ModuleType, stylegan2: StyleGAN2, tmp_path: Path) -> None:
    odd = {"a": (1, 2), "b": {"y", "x"}, "c": float("nan"), "d": torch.ones(1), 5: [b"x", 1 << 70], "e": {"f": None}}
    arguments = taken(official.written(tmp_path / "a.pkl", stylegan2, _init_kwargs=odd))[1].arguments
    assert arguments == {
        "a": [1, 2],
        "b": ["x", "y"],
        "c": "nan",
        "d": "Strided",
        "5": ["bytes", "a large number"],
        "e": {"f": None},
    }


@pytest.mark.parametrize(("member", "said"), [(None, ""), ("G", "G")])
def test_a_bare_network_and_one_without_an_average(
    official: ModuleType, stylegan2: StyleGAN2, tmp_path: Path, member: str | None, said: str
) -> None:
    place, network = taken(official.written(tmp_path / "a.pkl", stylegan2, member=member))
    assert same(network, stylegan2)
    assert (place.label, place.network.kind) == (said, "Generator")


def test_a_whole_module_in_a_data_parallel(official: ModuleType, stylegan2: StyleGAN2, tmp_path: Path) -> None:
    """Its arguments are the inner module's."""
    path = official.written(tmp_path / "a.pkl", stylegan2, member=None)
    with path.open("rb") as file:
        inner = read_pickle(file, path.stat().st_size, "a")
    (network,) = networks_in(Record("DataParallel", {"_modules": {"module": inner}, "module": 1}), "a")
    assert network.arguments == taken(path)[1].arguments
    assert network.tensors.keys() == stylegan2.state_dict().keys()


@pytest.mark.parametrize("value", [{"D": 1}, {}, [1, 2], {"G_ema": {"a": 1}}, 3])
def test_a_pickle_without_a_generator(tmp_path: Path, value: object) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(value, protocol=4))
    with pytest.raises(WeightsError, match=r"a\.pkl holds no stylegan2 generator; it holds no network at all"):
        taken(tmp_path / "a.pkl")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"_parameters": {"w": 3}}, r"a\.pkl: w is no tensor"),
        ({"_buffers": 3}, r"a\.pkl: the _buffers of Generator have no names"),
        ({"_modules": {"m": 3}}, r"a\.pkl: m\. is no tree of modules"),
        ({"_parameters": {3: torch.ones(1)}}, r"a\.pkl: the _parameters of Generator have no names"),
    ],
)
def test_a_network_that_is_none(
    official: ModuleType, stylegan2: StyleGAN2, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(WeightsError, match=message):
        read_checkpoint(official.written(tmp_path / "a.pkl", stylegan2, **changes))


@pytest.mark.parametrize("legacy", [True, False])
def test_a_pt_of_names_and_tensors(stylegan2: StyleGAN2, tmp_path: Path, legacy: bool) -> None:
    path = tmp_path / "a.pt"
    torch.save({**stylegan2.state_dict(), "note": "x"}, path, _use_new_zipfile_serialization=not legacy)
    place, network = taken(path)
    assert same(network, stylegan2)
    assert (place.label, place.network.kind, network.arguments, network.modules) == ("", "", {}, {})


def test_a_trainings_pt(stylegan2: StyleGAN2, tmp_path: Path) -> None:
    args = argparse.Namespace(size=16, path="/home/somebody/photos", n_mlp=2, local_rank=0)
    state: dict[str, Tensor] = {"input.input": torch.ones(1, 4, 4, 4)}
    whole = {"g": {"input.input": torch.zeros(1)}, "g_ema": state, "args": args, "latent_avg": torch.ones(3)}
    torch.save(whole, tmp_path / "a.pt")
    place, network = taken(tmp_path / "a.pt")
    assert (place.label, network.arguments) == ("g_ema", {"size": 16, "n_mlp": 2, "local_rank": 0})
    assert (network.tensors.keys(), network.beside.keys()) == ({"input.input"}, {"latent_avg"})


@pytest.mark.parametrize("legacy", [True, False])
def test_a_poisoned_pt(official: ModuleType, tmp_path: Path, legacy: bool) -> None:
    poison = {"g_ema": poisons.Call(eval, f"open({str(tmp_path / 'marker')!r}, 'w').close()")}
    torch.save(poison, tmp_path / "a.pt", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(WeightsError, match=r"a\.pt is a pickle that names \S*eval, which") as caught:
        read_checkpoint(tmp_path / "a.pt")
    assert "weights_only" not in str(caught.value)
    assert not (tmp_path / "marker").exists()
    torch.load(tmp_path / "a.pt", weights_only=False)
    assert (tmp_path / "marker").exists()


def test_a_pt_cut_short(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(1000)}, tmp_path / "a.pt")
    data = (tmp_path / "a.pt").read_bytes()
    for kept in (10, 100, len(data) // 2, len(data) - 10):
        (tmp_path / "a.pt").write_bytes(data[:kept])
        with pytest.raises(WeightsError, match=r"a\.pt is cut short or damaged, as torch\.save writes files"):
            read_checkpoint(tmp_path / "a.pt")


@pytest.mark.parametrize("value", [[1], {"g_ema": {}}, {"a": 1}, torch.ones(3)])
def test_a_pt_without_a_generator(tmp_path: Path, value: object) -> None:
    torch.save(value, tmp_path / "a.pt")
    with pytest.raises(WeightsError, match=r"a\.pt holds no stylegan2 generator; it holds no network at all"):
        taken(tmp_path / "a.pt")


SHARED = Record("M", {"_parameters": {f"p{number}": NumpyArray() for number in range(100)}})
MANY = {
    "parameters that modules share": lambda: Record("M", {"_modules": {f"m{n}": SHARED for n in range(5000)}}),
    "a dict that lies in many places": lambda: {f"d{n}": SHARED.state["_parameters"] for n in range(5000)},
    "a long name of many dicts": lambda: {"x" * 100_000: {f"d{n}": {} for n in range(5000)}},
    "lists in dicts in lists": lambda: reduce(lambda inner, _: {"a": [inner] * 100}, range(4), {}),
}


@pytest.mark.parametrize("kind", MANY)
def test_what_a_few_bytes_name_again_and_again_is_counted(kind: str) -> None:
    with pytest.raises(WeightsError, match=r"^a holds more (values|bytes) than any such file: it is damaged"):
        networks_in(MANY[kind](), "a")


@pytest.mark.parametrize("save", [torch.save, save_file])
def test_no_tensor_has_a_name_as_long_as_a_page(tmp_path: Path, save: Callable[[Any, Path], None]) -> None:
    """Names are compared with every family's, which takes the square of a name's length where it is made so."""
    save({"mapping.fc0." * 50: torch.ones(1)}, tmp_path / "a")
    with pytest.raises(WeightsError, match=r"a has a tensor with a name of 600 letters: it is damaged"):
        read_checkpoint(tmp_path / "a")


def test_few_of_many_generators_are_named(stylegan2: StyleGAN2, tmp_path: Path) -> None:
    state = dict(stylegan2.state_dict())
    torch.save({f"net{number}": state for number in range(9)}, tmp_path / "a.pt")
    with pytest.raises(WeightsError, match=r"9 generators.*a\.pt::net0 or \S*net1 or \S*net2 and 6 more$"):
        taken(tmp_path / "a.pt")


def test_a_safetensors_file_and_what_gpk_wrote_into_it(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "a", {"w": torch.ones(2)}, {"gpk": '{"backend": "x"}'})
    read = read_checkpoint(tmp_path / "a")
    (network,) = read.networks
    assert (read.container, read.facts, network.tensors["w"].tolist()) == ("safetensors", {"backend": "x"}, [1, 1])


def test_the_contents_say_what_a_file_is(official: ModuleType, stylegan2: StyleGAN2, tmp_path: Path) -> None:
    path = official.written(tmp_path / "a.safetensors", stylegan2)
    assert read_checkpoint(path).container == "pickle"
    assert same(taken(path)[1], stylegan2)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "an empty file"),
        (b"text that is nothing else", "a text"),
        (b"\x80", "nothing that gpk knows"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS, and not the file itself"),
    ],
)
def test_no_checkpoint_at_all(tmp_path: Path, data: bytes, what: str) -> None:
    (tmp_path / "a.pkl").write_bytes(data)
    with pytest.raises(WeightsError, match=rf"a\.pkl is {what}.* A checkpoint of a generator is needed"):
        read_checkpoint(tmp_path / "a.pkl")
    with pytest.raises(WeightsError, match=r"cannot read .*absent\.pkl: No such file"):
        read_checkpoint(tmp_path / "absent.pkl")
