"""States and notes of runs with one value changed, nested deep, or damaged."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from mutations import bytewise, valuewise

from gpk_checkpoints.files import read_safetensors, write_safetensors
from gpk_runs.folder import note_environment
from gpk_runs.state import logged_bytes, read_state, write_state

pytestmark = pytest.mark.attack
COUNT = 1500


def take(path: Path) -> None:
    logged_bytes(path)
    read_state(path)


def test_states_bytewise(tally: Any, tmp_path: Path) -> None:
    rng, file = random.Random(20), tmp_path / "state.safetensors"
    write_state(file, {"w": torch.ones(3, 4)}, {"stage": "tuning", "step": 3}, 120)
    whole = file.read_bytes()
    for number in range(COUNT):
        file.write_bytes(bytewise(whole, rng))
        tally.attempt(f"input {number}", lambda: take(file))


def test_headers_of_states(tally: Any, tmp_path: Path) -> None:
    rng, file = random.Random(21), tmp_path / "state.safetensors"
    write_state(file, {"w": torch.ones(3, 4)}, {"stage": "tuning", "step": 3}, 120)
    tensors, metadata = read_safetensors(file)
    header = json.loads(metadata["gpk"])
    texts = [json.dumps(valuewise(header, rng)) for _ in range(COUNT // 3)]
    for number, text in enumerate([*texts, "[" * 100_000, "{" * 50, "null", "9" * 5000, '{"a":' * 90_000]):
        write_safetensors(file, tensors, {"gpk": text})
        tally.attempt(f"input {number}", lambda: take(file))


def test_environments_of_runs(tally: Any, tmp_path: Path) -> None:
    rng, file = random.Random(22), tmp_path / "environment.json"
    now = {"gpk": "0.1.0", "python": "3.11", "cpus": 2}
    whole = json.dumps({**now, "resumed_on": [{**now, "cpus": 4}]}).encode()
    made = [bytewise(whole, rng) for _ in range(COUNT // 3)]
    for number, content in enumerate([*made, b"[" * 100_000, b'{"a":' * 90_000, b"{}" * 2**20, b"[]", b"\xff"]):
        file.write_bytes(content)
        tally.attempt(f"input {number}", lambda: note_environment(tmp_path, now))
