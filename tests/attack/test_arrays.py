"""Codes and directions, .npy, .npz and .pt, with bytes or headers changed, or that claim more than they hold."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mutations import bytewise

from gpk_checkpoints.directions import read_direction

pytestmark = [pytest.mark.attack, pytest.mark.filterwarnings("ignore:Duplicate name")]
COUNT = 1500
W = np.linspace(-1, 1, 32, dtype=np.float32).reshape(2, 16)
SHAPES = (
    "(2, 16)", "(16, 2)", "(32,)", "()", "(0,)", "(0, 4611686018427387904, 4611686018427387904)", "(2**62, 4)",
    "(9223372036854775807, 2)", "(-1, 32)", "(True, 32)", "(2.0, 16)", "(1,) * 99", f"({'1, ' * 2000})", "None", "[2]",
    f"({'9' * 3000},)", f"({'1, ' * 40} 32)", "'32'", "(2, 16",
)  # fmt: skip
KINDS = (
    "'<f4'", "'>f4'", "'<f8'", "'|O'", "'<U9'", "'<c8'", "'<i4'", "'|b1'", "'<M8[s]'", "[('a', '<f4')]", "'V4'",
    "('<f4', (9,))", "('<f4', (2147483647,))", "'f99'", "'x' * 9", "[]", "None", "'<U2147483647'", "'<f2'",
)  # fmt: skip


def npy(descr: str, shape: str, order: str = "False", data: bytes = W.tobytes()) -> bytes:
    """A .npy file of any header."""
    header = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + data


def saved(value: object) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def test_arrays_bytewise(tally: Any, tmp_path: Path) -> None:
    rng, file = random.Random(40), tmp_path / "w.npy"
    packed = io.BytesIO()
    np.savez_compressed(packed, w=W, other=W)
    whole = [npy("'<f4'", "(2, 16)"), packed.getvalue(), saved(torch.from_numpy(W)), saved({"w": torch.from_numpy(W)})]
    for number in range(2 * COUNT):
        file.write_bytes(bytewise(whole[number % len(whole)], rng))
        tally.attempt(f"input {number}", lambda: read_direction(file))


def test_headers_of_arrays(tally: Any, tmp_path: Path) -> None:
    file = tmp_path / "w.npy"
    for shape in SHAPES:
        for kind in KINDS:
            for order in ("False", "True", "2"):
                file.write_bytes(npy(kind, shape, order))
                tally.attempt(f"{kind} {shape[:40]}", lambda: read_direction(file))


def test_members_that_unpack_to_more_than_is_told(tally: Any, tmp_path: Path) -> None:
    file = tmp_path / "w.npz"
    large = npy("'<f4'", f"({2**27},)", data=bytes(2**20)) + bytes(2**27)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w.npy", large)
    content = made.getvalue()
    for told in (len(large), 0, 1, 600, 2**20, 2**31, 2**32 - 1):
        lying = content.replace(struct.pack("<I", len(large)), struct.pack("<I", told))
        file.write_bytes(lying)
        if not isinstance(tally.attempt(f"{told:,} bytes", lambda: read_direction(file)), Exception):
            tally.fail(f"{told:,} bytes", "taken")


def test_tensors_of_few_numbers(tally: Any, tmp_path: Path) -> None:
    """One number that is many, and what has no plain numbers at all."""
    file, one = tmp_path / "w.pt", torch.ones(1)
    made = {
        "expanded": one.expand(20_000, 20_000),
        "long": one.expand(2**40),
        "sparse": torch.eye(4).to_sparse(),
        "meta": torch.empty(4, 4, device="meta"),
        "complex": torch.ones(4, dtype=torch.complex64),
        "whole": torch.ones(4, dtype=torch.int64),
        "float8": torch.ones(4).to(torch.float8_e4m3fn),
        "many sides": torch.ones([1] * 40),
        "many times": [one.expand(2**20)] * 5000,
    }
    for name, value in made.items():
        file.write_bytes(saved(value))
        if not isinstance(tally.attempt(name, lambda: read_direction(file)), Exception):
            tally.fail(name, "taken")
