"""Pickles and archives of torch.save, changed byte by byte and instruction by instruction."""

from __future__ import annotations

import io
import pickle
import random
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import official
import pytest
import torch
from mutations import bytewise

from gpk_checkpoints.foreign import Place, read_checkpoint, stored
from gpk_stylegan2.network import StyleGAN2

pytestmark = [pytest.mark.attack, pytest.mark.filterwarnings("ignore:Duplicate name")]
COUNT = 4000
FRAGMENTS = (
    pickle.EMPTY_DICT, pickle.EMPTY_LIST, pickle.EMPTY_TUPLE, pickle.MARK, pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2,
    pickle.TUPLE3, pickle.LIST, pickle.DICT, pickle.SETITEM, pickle.SETITEMS, pickle.APPEND, pickle.APPENDS, pickle.POP,
    pickle.REDUCE, pickle.NEWOBJ, pickle.BUILD, pickle.STOP, pickle.NONE, pickle.NEWTRUE, pickle.BINPERSID,
    pickle.STACK_GLOBAL, pickle.MEMOIZE, pickle.FROZENSET, pickle.EMPTY_SET, pickle.ADDITEMS, pickle.POP_MARK,
    pickle.BINGET + b"\0", pickle.BINGET + b"\1", pickle.BINPUT + b"\0", pickle.LONG_BINGET + b"\5\0\0\0",
    pickle.BININT1 + b"\7", pickle.BININT + b"\xff\xff\xff\xff", pickle.LONG1 + b"\x09" + b"\xff" * 9,
    pickle.BINFLOAT + b"\x7f\xf0" + b"\0" * 6, pickle.SHORT_BINUNICODE + b"\3abc", pickle.SHORT_BINBYTES + b"\2ab",
    pickle.GLOBAL + b"collections\nOrderedDict\n", pickle.GLOBAL + b"torch._utils\n_rebuild_tensor_v2\n",
    pickle.GLOBAL + b"torch\nFloatStorage\n", pickle.GLOBAL + b"builtins\nset\n", pickle.GLOBAL + b"training.x\nNet\n",
    pickle.GLOBAL + b"numpy\ndtype\n", pickle.GLOBAL + b"os\ngetcwd\n",
    (pickle.BINPUT + b"\0" + pickle.BINGET + b"\0" + pickle.TUPLE2) * 12,
)  # fmt: skip


def take(path: Path) -> None:
    """Reads everything that an import would."""
    found = read_checkpoint(path)
    for network in found.networks:
        stored(found, Place(network))


def sources(folder: Path, network: StyleGAN2) -> list[bytes]:
    """Small files of each container: a whole module with its source text, state dicts by protocol, both of torch's."""
    state = OrderedDict((name, tensor.clone()) for name, tensor in list(network.state_dict().items())[:6])
    made = [official.written(folder / "official.pkl", network).read_bytes()]
    made += [pickle.dumps({"G_ema": state, "args": {"z_dim": 4}}, protocol=protocol) for protocol in (2, 3, 4, 5)]
    for zipped in (True, False):
        file = io.BytesIO()
        torch.save({"g_ema": state, "step": 3}, file, _use_new_zipfile_serialization=zipped)
        made.append(file.getvalue())
    return made


def test_pickles_bytewise(tally: Any, tmp_path: Path, stylegan2: StyleGAN2) -> None:
    rng = random.Random(0)
    whole = sources(tmp_path, stylegan2)
    file = tmp_path / "changed.pkl"
    for number in range(COUNT):
        file.write_bytes(bytewise(whole[number % len(whole)], rng))
        tally.attempt(f"input {number}", lambda: take(file))


def test_pickles_by_instructions(tally: Any, tmp_path: Path, stylegan2: StyleGAN2) -> None:
    rng = random.Random(1)
    whole = sources(tmp_path, stylegan2)[:5]
    file = tmp_path / "changed.pkl"
    for number in range(COUNT):
        file.write_bytes(bytewise(whole[number % len(whole)], rng, fragments=FRAGMENTS))
        tally.attempt(f"input {number}", lambda: take(file))


def test_programs_of_random_instructions(tally: Any, tmp_path: Path) -> None:
    rng = random.Random(2)
    file = tmp_path / "made.pkl"
    for number in range(COUNT):
        program = b"".join(rng.choice(FRAGMENTS) for _ in range(rng.randrange(2, 60)))
        file.write_bytes(pickle.PROTO + b"\4" + program + pickle.STOP)
        tally.attempt(f"input {number}", lambda: take(file))


def test_archives_packed_anew(tally: Any, tmp_path: Path, stylegan2: StyleGAN2) -> None:
    """The zip itself stays whole, and its entries are changed, renamed, doubled, packed or left out."""
    rng = random.Random(3)
    whole = sources(tmp_path, stylegan2)[-2]
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    file = tmp_path / "changed.pt"
    for number in range(COUNT // 2):
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in entries.items():
                kind = rng.randrange(12)
                told = rng.choice((name + "x", name.upper(), f"a/{name}", "x/data.pkl")) if kind == 0 else name
                data = bytewise(content, rng, fragments=FRAGMENTS) if kind in (1, 2, 3) else content
                if kind != 4:
                    archive.writestr(told, data, zipfile.ZIP_DEFLATED if kind == 5 else zipfile.ZIP_STORED)
        tally.attempt(f"input {number}", lambda: take(file))
