"""Personas whose header has one value changed, whose tensors are of other types, or whose bytes are."""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from mutations import bytewise, valuewise

from gpk.lowrank import LoRA, Offset
from gpk.persona import Origin, Persona
from gpk.recipe import Recipe
from gpk_checkpoints.personas import load_persona, read_header, save_persona

pytestmark = pytest.mark.attack
COUNT = 2000


def written(path: Path) -> bytes:
    """A small persona."""
    changes = {"conv.weight": LoRA((6, 5, 3, 3), rank=2, scale=0.5, layout="kernel"), "conv.bias": Offset((6,))}
    origin = Origin("tiny", "tiny-1", "ab" * 32, "CC0-1.0", 3, 40, {"gpk": "0.1.0"})
    save_persona(path, Persona(changes, Recipe(rank=2), origin, torch.ones(3, 4), torch.ones(3, 25)))
    return path.read_bytes()


def take(path: Path) -> Persona:
    read_header(path)
    return load_persona(path)


def packed(table: Any, numbers: bytes) -> bytes:
    """A safetensors file of any table."""
    text = json.dumps(table).encode()
    return struct.pack("<Q", len(text)) + text + numbers


def parts(content: bytes) -> tuple[Any, bytes]:
    """Its table and its numbers."""
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def test_personas_bytewise(tally: Any, tmp_path: Path) -> None:
    rng, file = random.Random(10), tmp_path / "a.persona.safetensors"
    whole = written(file)
    for number in range(COUNT):
        file.write_bytes(bytewise(whole, rng))
        tally.attempt(f"input {number}", lambda: take(file))


def test_headers_of_personas(tally: Any, tmp_path: Path) -> None:
    rng, file = random.Random(11), tmp_path / "a.persona.safetensors"
    table, numbers = parts(written(file))
    header = json.loads(table["__metadata__"]["gpk"])
    for number in range(COUNT):
        changed = valuewise(header, rng)
        table["__metadata__"]["gpk"] = json.dumps(changed)
        file.write_bytes(packed(table, numbers))
        found = tally.attempt(f"input {number}", lambda: take(file))
        if isinstance(found, Persona) and not all(p.isfinite().all() for p in found.parameters()):
            tally.fail(f"input {number}", "numbers that are not finite")


def test_tables_of_personas(tally: Any, tmp_path: Path) -> None:
    rng, file = random.Random(12), tmp_path / "a.persona.safetensors"
    table, numbers = parts(written(file))
    types = ("F4", "F6_E2M3", "F6_E3M2", "F8_E8M0", "F8_E4M3", "BOOL", "C64", "U64", "U8", "F64", "F16", "BF16", "x")
    for number in range(COUNT // 2):
        file.write_bytes(packed(valuewise(table, rng, odd=[*types, 0, -1, 2**63, [], {}, None, "\0"]), numbers))
        tally.attempt(f"input {number}", lambda: take(file))


def test_sites_as_large_as_the_file(tally: Any, tmp_path: Path) -> None:
    """Each site claims what the whole file holds; together they would be gigabytes."""
    file = tmp_path / "a.persona.safetensors"
    table, numbers = parts(written(file))
    header = json.loads(table["__metadata__"]["gpk"])
    table["more"] = {"dtype": "U8", "shape": [2**20], "data_offsets": [len(numbers), len(numbers) + 2**20]}
    for kind in ({}, {"scale": 1.0, "rank": 1}):
        header["sites"] = {f"site{n}": {"shape": [2**18, 2], **kind} for n in range(4000)}
        table["__metadata__"]["gpk"] = json.dumps(header)
        file.write_bytes(packed(table, numbers + bytes(2**20)))
        if not isinstance(tally.attempt(f"{kind}", lambda: take(file)), Exception):
            tally.fail(f"{kind}", "taken")
