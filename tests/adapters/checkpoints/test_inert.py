"""Pickles are read as data: nothing in them runs, whatever they say."""

import dataclasses
import os
import pickle
import resource
import struct
import subprocess
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import persistence
import poisons
import pytest
import torch
from torch import _utils

from gpk.checkpoint import Stored
from gpk.errors import WeightsError
from gpk_checkpoints import networks
from gpk_checkpoints.foreign import Place, read_checkpoint, stored
from gpk_checkpoints.inert import read_pickle
from gpk_checkpoints.networks import networks_in
from gpk_checkpoints.pickled import Record, Storage, Strided
from gpk_checkpoints.storages import Storages
from gpk_stylegan2.network import StyleGAN2

TRICKS = ["system", "eval", "protocol 2", "dotted", "reached through", "state", "slots", "payload"]
TRICKS += ["extension", "persistent", "instance"]


def read(path: Path) -> Any:
    with path.open("rb") as file:
        return read_pickle(file, path.stat().st_size, str(path))


def all_of(path: Path) -> dict[str, Stored]:
    """Every network of the file by its key, with its tensors."""
    found = read_checkpoint(path)
    return {network.key: stored(found, Place(network)) for network in found.networks}


def put(path: Path, *parts: bytes) -> Path:
    path.write_bytes(b"\x80\x04" + b"".join(parts) + b".")
    return path


def text(words: str) -> bytes:
    return pickle.SHORT_BINUNICODE + bytes([len(words.encode())]) + words.encode()


def name(module: str, attribute: str) -> bytes:
    return text(module) + text(attribute) + pickle.STACK_GLOBAL


@pytest.mark.parametrize("trick", TRICKS)
def test_a_poisoned_pickle_is_refused_and_nothing_runs(
    official: ModuleType, stylegan2: StyleGAN2, tmp_path: Path, trick: str
) -> None:
    made = poisons.poisons(tmp_path / "marker")
    assert set(made) == set(TRICKS)
    data, message = made[trick]
    (tmp_path / "evil.pkl").write_bytes(data)
    before = {f: f.__defaults__ for f in (_utils._rebuild_tensor_v2, torch.load)}
    with pytest.raises(WeightsError, match=rf"evil\.pkl.*{message}"):
        all_of(tmp_path / "evil.pkl")
    assert not (tmp_path / "marker").exists()
    assert {f: f.__defaults__ for f in before} == before
    # Nothing is left behind that the next file would meet.
    good = all_of(official.written(tmp_path / "good.pkl", stylegan2))["G_ema"]
    assert torch.equal(good.tensors["synthesis.b4.const"], stylegan2.synthesis.get_parameter("b4.const"))


@pytest.mark.parametrize("trick", ["system", "eval", "protocol 2"])
def test_the_poison_is_real(official: ModuleType, tmp_path: Path, trick: str) -> None:
    """Python's own reader runs it: the tests above would see the marker."""
    pickle.loads(poisons.poisons(tmp_path / "marker")[trick][0])
    assert (tmp_path / "marker").exists()


def test_the_poison_in_a_storage_is_real(official: ModuleType, tmp_path: Path) -> None:
    data = poisons.poisons(tmp_path / "marker")["payload"][0]
    start = data.index(b"\x80\x02\x8a")
    (tmp_path / "payload").write_bytes(data[start:])
    torch.load(tmp_path / "payload", weights_only=False)
    assert (tmp_path / "marker").exists()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_values_are_what_python_reads(tmp_path: Path, protocol: int) -> None:
    shared = [1, 2.5, "é", None, True]
    value: dict[str, Any] = {
        "shared": (shared, shared),
        "sets": {1, "a"},
        "tuples": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
        "numbers": (-1, 255, 1 << 20, 1 << 80, -(1 << 40), float("inf")),
        "ordered": OrderedDict(a=1, b=[2]),
        "many": list(range(3000)),
        "long": "z" * 70_000,
        "deep": [[[{1: {2: []}}]]],
    }
    if protocol > 2:  # protocol 2 has bytes made by a function
        value["bytes"] = b"x" * 300
    if protocol > 3:  # and protocol 3 frozen sets
        value["frozen"] = frozenset({2})
    if protocol > 4:
        value["bytearray"] = bytearray(b"yes")
    (tmp_path / "a").write_bytes(pickle.dumps(value, protocol=protocol))
    found = read(tmp_path / "a")
    assert found == value
    assert type(found["ordered"]) is dict
    assert found["shared"][0] is found["shared"][1]


@pytest.mark.parametrize("kind", ["bool", "int8", "uint16", "int64", "uint64", "float16", "float32", "float64", ">i4"])
def test_numpy_numbers(tmp_path: Path, kind: str) -> None:
    number = np.dtype(kind).type(1) if kind != ">i4" else np.array([77], dtype=">i4")[0]
    (tmp_path / "a").write_bytes(pickle.dumps(number, protocol=4))
    found = read(tmp_path / "a")
    assert found == number.item()
    assert type(found) in (bool, int, float)


def test_a_numpy_number_of_the_other_byte_order(tmp_path: Path) -> None:
    parts = name("numpy", "dtype") + text("i4") + pickle.NEWFALSE + pickle.NEWTRUE + pickle.TUPLE3 + pickle.REDUCE
    state = pickle.BININT1 + b"\3" + text(">") + pickle.NONE + pickle.TUPLE3 + pickle.BUILD
    four = pickle.SHORT_BINBYTES + b"\4" + struct.pack(">i", 77) + pickle.TUPLE2 + pickle.REDUCE
    assert read(put(tmp_path / "a", name("numpy.core.multiarray", "scalar"), parts, state, four)) == 77


@pytest.mark.parametrize("value", [np.array([None])[0:1], np.datetime64("2020-01-01"), np.str_("a"), np.complex64(1)])
def test_numpys_other_types_are_refused(tmp_path: Path, value: object) -> None:
    (tmp_path / "a").write_bytes(pickle.dumps(value, protocol=4))
    with pytest.raises(WeightsError, match=r"numpy type that is not plain|names numpy"):
        read(tmp_path / "a")


def test_records_keep_their_attributes_and_no_source_text(tmp_path: Path, official: ModuleType) -> None:
    with persistence.standing():
        decoder = persistence.plain(persistence.NAMED["training.triplane"][0], {"y": 1})
        network = persistence.Persistent("Generator", {"x": decoder})
        (tmp_path / "a").write_bytes(pickle.dumps(network, protocol=4))
    found = read(tmp_path / "a")
    assert isinstance(found, Record)
    assert (found.kind, set(found.state)) == ("Generator", {"x"})
    assert (found.state["x"].kind, found.state["x"].state) == ("OSGDecoder", {"y": 1})


def test_the_tensorflow_eras_files(tmp_path: Path) -> None:
    path = put(tmp_path / "2019.pkl", name("dnnlib.tflib.network", "Network"), pickle.EMPTY_TUPLE, pickle.NEWOBJ)
    with pytest.raises(WeightsError, match=r"2019\.pkl is a StyleGAN of the TensorFlow era.*get the PyTorch"):
        read_checkpoint(path)


def test_a_name_cannot_command_the_terminal(tmp_path: Path) -> None:
    path = put(tmp_path / "a.pkl", name("\x1b[2J", "é\n" + "x" * 200))
    with pytest.raises(WeightsError, match="is a pickle that names") as caught:
        read(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500 + len(str(path))


def small_pickle(official: ModuleType, generator: StyleGAN2, path: Path) -> bytes:
    return official.written(path, generator).read_bytes()


def test_a_file_cut_short_anywhere(official: ModuleType, stylegan2: StyleGAN2, tmp_path: Path) -> None:
    data = small_pickle(official, stylegan2, tmp_path / "a.pkl")
    for kept in (3, 11, 50, 200, *range(1000, len(data), len(data) // 40), len(data) - 1):
        (tmp_path / "a.pkl").write_bytes(data[:kept])
        with pytest.raises(WeightsError, match=r"a\.pkl is a pickle that is cut short or damaged"):
            read_checkpoint(tmp_path / "a.pkl")


def test_damaged_bytes_are_an_error_or_harmless(official: ModuleType, stylegan2: StyleGAN2, tmp_path: Path) -> None:
    """Four hundred random changes: what comes is a checkpoint or a WeightsError, nothing else."""
    data = small_pickle(official, stylegan2, tmp_path / "a.pkl")
    rng, refused = np.random.default_rng(0), 0
    for _ in range(400):
        harmed = bytearray(data)
        at = rng.integers(2, 4000, size=3)
        for place in at:
            harmed[place] = rng.integers(256)
        (tmp_path / "a.pkl").write_bytes(harmed)
        try:
            read_checkpoint(tmp_path / "a.pkl")
        except WeightsError as error:
            refused += "a.pkl" in str(error)
    assert refused > 100


BOMBS: dict[str, Callable[[], bytes]] = {
    "memo": lambda: pickle.NONE + pickle.LONG_BINPUT + b"\xff\xff\xff\xff",
    "bytes": lambda: pickle.BINBYTES8 + struct.pack("<Q", 1 << 60) + b"abc",
    "text": lambda: pickle.BINUNICODE + struct.pack("<I", (1 << 32) - 1) + b"abc",
    "frame": lambda: pickle.FRAME + struct.pack("<Q", 1 << 60) + pickle.NONE,
    "nested": lambda: pickle.EMPTY_TUPLE + pickle.TUPLE1 * 600_000,
    "hashed": lambda: pickle.EMPTY_DICT + pickle.EMPTY_TUPLE + pickle.TUPLE1 * 600_000 + pickle.NONE + pickle.SETITEM,
    "lists": lambda: pickle.EMPTY_LIST * 300_000 + pickle.APPEND * 299_999,
}


@pytest.mark.parametrize("kind", BOMBS)
def test_no_file_takes_the_machine_down(tmp_path: Path, kind: str) -> None:
    """In a process of its own with 4 GB of address space: killed, it would not exit by itself."""
    path = put(tmp_path / "bomb.pkl", BOMBS[kind]())
    program = (
        "import sys; from pathlib import Path; from gpk.errors import WeightsError\n"
        "from gpk_checkpoints.inert import read_pickle\n"
        "path = Path(sys.argv[1])\n"
        "try: read_pickle(path.open('rb'), path.stat().st_size, 'bomb')\n"
        "except WeightsError as error: print(error)\n"
        "sys.exit(7)"
    )
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))  # noqa: E731
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program, path], preexec_fn=limit, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (7, "")
    assert time.monotonic() - start < 60
    if kind in ("bytes", "text", "hashed"):
        assert "bomb is a pickle that is cut short or damaged" in done.stdout


def test_a_file_larger_than_the_memory(tmp_path: Path) -> None:
    """A sparse file of 3 GB, read with 1 GB of address space."""
    path = put(tmp_path / "large.pkl", pickle.BINBYTES8 + struct.pack("<Q", 3 << 30))
    os.truncate(path, (3 << 30) + 100)
    program = (
        "import sys; from pathlib import Path; from gpk.errors import WeightsError\n"
        "from gpk_checkpoints.inert import read_pickle\n"
        "path = Path(sys.argv[1])\n"
        "try: read_pickle(path.open('rb'), path.stat().st_size, 'large')\n"
        "except WeightsError as error: print(error)"
    )
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))  # noqa: E731
    done = subprocess.run([sys.executable, "-c", program, path], preexec_fn=limit, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("large needs more memory than there is")


def test_modules_without_end(tmp_path: Path) -> None:
    module = name("training.x", "Loop") + pickle.EMPTY_TUPLE + pickle.NEWOBJ + pickle.BINPUT + b"\0"
    inside = (
        pickle.EMPTY_DICT + text("_modules") + pickle.EMPTY_DICT + text("a") + pickle.BINGET + b"\0" + pickle.SETITEM
    )
    path = put(tmp_path / "loop.pkl", module, inside, pickle.SETITEM, pickle.BUILD)
    with pytest.raises(WeightsError, match=r"loop\.pkl: a\.a\.a.* is no tree of modules"):
        read_checkpoint(path)


def test_arguments_without_end(tmp_path: Path) -> None:
    doubled = b"".join(pickle.BINPUT + b"\0" + pickle.BINGET + b"\0" + pickle.TUPLE2 for _ in range(31))
    module = name("training.x", "Wide") + pickle.EMPTY_TUPLE + pickle.NEWOBJ + pickle.EMPTY_DICT + text("_init_kwargs")
    kwargs = pickle.EMPTY_DICT + text("a") + pickle.EMPTY_TUPLE + doubled + pickle.SETITEM + pickle.SETITEM
    children = text("_modules") + pickle.EMPTY_DICT + pickle.SETITEM
    with pytest.raises(WeightsError, match=r"wide\.pkl holds values nested deeper than any such file"):
        read_checkpoint(put(tmp_path / "wide.pkl", module, kwargs, children, pickle.BUILD))


def test_what_a_few_bytes_copy_is_counted(tmp_path: Path) -> None:
    """A list of 10,000 items made into a mapping, a set or a tuple again and again, by three bytes each time."""
    pairs = pickle.MARK + (pickle.BININT1 + b"\0" + pickle.NONE + pickle.TUPLE2) * 10_000 + pickle.LIST
    kept = pickle.BINPUT + b"\0" + pickle.POP
    again = name("collections", "OrderedDict") + pickle.BINGET + b"\0" + pickle.TUPLE1 + pickle.REDUCE + pickle.POP
    whole = pickle.PROTO + b"\4" + pairs + kept + pickle.NONE
    (tmp_path / "few").write_bytes(whole + again * 10 + pickle.STOP)
    assert read(tmp_path / "few") is None
    (tmp_path / "many").write_bytes(whole + again * 1000 + pickle.STOP)
    with pytest.raises(WeightsError, match="many holds more values than any such file: it is damaged"):
        read(tmp_path / "many")


def test_keys_that_may_be_chosen_to_hash_alike_are_none(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(pickle.dumps({2**61 - 2: 1, -5: 2, 0.5: 3}, protocol=4))
    assert read(tmp_path / "keys") == {2**61 - 2: 1, -5: 2, 0.5: 3}
    (tmp_path / "long").write_bytes(pickle.dumps({2**61 - 1: 1}, protocol=4))
    with pytest.raises(WeightsError, match="a key is a number of more than 61 bits"):
        read(tmp_path / "long")


def test_parameters_that_many_modules_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each module's are counted, however often the file has one dict stand for them."""
    shared = dict.fromkeys(
        [f"p{k}" for k in range(100)], Strided(Storage("FloatStorage", 1, lambda: b""), 0, (1,), (1,))
    )
    wide = Record("Wide", {"_parameters": shared, "_modules": {}})
    root = Record("Wide", {"_parameters": {}, "_modules": {f"m{k}": wide for k in range(50)}})
    (network,) = networks_in(root, "it")
    assert len(network.tensors) == 5000
    monkeypatch.setattr(networks, "MOST", 1000)
    with pytest.raises(WeightsError, match=r"^it holds more values than any such file"):
        networks_in(root, "it")
    monkeypatch.setattr(networks, "MOST", 100_000)
    monkeypatch.setattr(networks, "MOST_TEXT", 1000)
    with pytest.raises(WeightsError, match=r"^it holds more bytes than any such file"):
        networks_in(root, "it")


def test_a_tree_that_holds_itself_ends() -> None:
    tree: dict[str, object] = {}
    tree[""] = tree
    with pytest.raises(WeightsError, match=r"^it holds values nested deeper"):
        networks_in(tree, "it")


def test_one_place_of_a_file_stands_for_so_many_tensors_and_no_more() -> None:
    storages = Storages(1 << 20)
    for _ in range(3):
        storages.tensor(Strided(Storage("ByteStorage", 1 << 20, lambda: bytes(1 << 20)), 0, (1,), (1,)))
    with pytest.raises(WeightsError, match=r"^is one of many that have their numbers from one place"):
        storages.tensor(Strided(Storage("ByteStorage", 1 << 20, lambda: bytes(1 << 20)), 0, (1,), (1,)))


INSIDE = [(0, (12,), (1,)), (4, (2, 2), (4, 1)), (0, (4, 3), (1, 4)), (12, (0, 3), (1, 1)), (3, (), ())]
OUTSIDE = [
    (0, (13,), (1,)),
    (1, (12,), (1,)),
    (13, (0,), (1,)),
    (0, (3, 4), (5, 1)),
    (12, (), ()),
    (0, (1 << 40,), (0,)),
    (0, (1 << 62, 1 << 62), (1, 1)),
]


def of_twelve(offset: int, size: tuple[int, ...], stride: tuple[int, ...], folder: Path) -> Strided:
    (folder / "twelve").write_bytes(pickle.dumps(torch.arange(12.0), protocol=4))
    return dataclasses.replace(read(folder / "twelve"), offset=offset, size=size, stride=stride)


@pytest.mark.parametrize("view", INSIDE)
def test_a_view_inside_its_storage(tmp_path: Path, view: tuple[int, tuple[int, ...], tuple[int, ...]]) -> None:
    offset, size, stride = view
    found = Storages(1 << 10).tensor(of_twelve(*view, tmp_path))
    assert torch.equal(found, torch.arange(12.0).as_strided(size, stride, offset))


@pytest.mark.parametrize("view", OUTSIDE)
def test_a_view_beyond_its_storage(tmp_path: Path, view: tuple[int, tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(WeightsError, match=r"^claims \[.*\] numbers of a storage of 12: "):
        Storages(1 << 10).tensor(of_twelve(*view, tmp_path))


def test_one_storage_is_read_once(tmp_path: Path) -> None:
    whole = torch.arange(12.0)
    (tmp_path / "a").write_bytes(pickle.dumps((whole, whole), protocol=4))
    storages = Storages(1 << 10)
    one, two = (storages.tensor(strided) for strided in read(tmp_path / "a"))
    assert one.data_ptr() == two.data_ptr()


SHARED = pickle.MARK + pickle.NONE * 50_000 + pickle.TUPLE + pickle.BINPUT + b"\0"
"""A tuple that a program can name again in two bytes."""


@pytest.mark.parametrize(
    "again",
    [
        name("argparse", "Namespace") + pickle.BINGET + b"\0" + pickle.REDUCE,
        name("torch", "Size") + pickle.BINGET + b"\0" + pickle.TUPLE1 + pickle.REDUCE,
    ],
)
def test_calls_with_one_large_tuple_are_counted(tmp_path: Path, again: bytes) -> None:
    path = put(tmp_path / "a", SHARED, again * 2000)
    with pytest.raises(WeightsError, match=r"holds more values|a shape is not made of a few sides"):
        read(path)


def test_a_class_whose_name_doubles_itself_has_none(tmp_path: Path) -> None:
    doubled = pickle.EMPTY_LIST + (pickle.BINPUT + b"\1" + pickle.BINGET + b"\1" + pickle.TUPLE2) * 60
    meta = pickle.EMPTY_DICT + text("class_name") + doubled + pickle.SETITEM
    meta += text("state") + pickle.EMPTY_DICT + pickle.SETITEM
    call = name("torch_utils.persistence", "_reconstruct_persistent_obj")
    found = read(put(tmp_path / "a", call, meta, pickle.TUPLE1, pickle.REDUCE))
    assert isinstance(found, Record)
    assert found.kind == ""


def test_a_state_that_is_set_again_and_again_is_not_copied(tmp_path: Path) -> None:
    state = pickle.EMPTY_DICT + pickle.MARK
    state += b"".join(pickle.BININT + struct.pack("<i", n) + pickle.NONE for n in range(30_000)) + pickle.SETITEMS
    again = (pickle.BINGET + b"\0" + pickle.BUILD) * 2000
    record = name("training.x", "Net") + pickle.EMPTY_TUPLE + pickle.NEWOBJ
    with pytest.raises(WeightsError, match="holds more values"):
        read(put(tmp_path / "a", state, pickle.BINPUT + b"\0", record, again))
