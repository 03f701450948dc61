"""`gpk run edit`: a direction from a file, and from labels of one's own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from gpk.registry import Registry
from gpk_checkpoints.files import write_safetensors
from gpk_checkpoints.weights import load_generator

Gpk = Callable[..., subprocess.CompletedProcess[str]]


def codes(file: Path) -> torch.Tensor:
    """Two codes of the embedded 2D prior, in a file."""
    backend = Registry.discover().backend("stylegan2-minicat")
    generator = load_generator(backend, backend.card, None)
    w = generator.mapping(torch.randn(2, generator.latent.z_dim, generator=torch.Generator().manual_seed(0)))
    write_safetensors(file, {"w": w}, {})
    return w


def test_a_published_direction_of_a_pretrained_2d_generator(gpk: Gpk, tmp_path: Path) -> None:
    w = codes(tmp_path / "codes.safetensors")
    np.save(tmp_path / "light.npy", np.eye(1, w.shape[2], 5, dtype=np.float32))
    command = (
        "run", "edit", "--backend", "stylegan2-minicat", "--codes", str(tmp_path / "codes.safetensors"), "--space", "w",
        "--direction", str(tmp_path / "light.npy"), "--amounts", "-1,1", "--out", str(tmp_path / "out"),
    )  # fmt: skip
    done = gpk(*command, "--json")
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["direction"]["attribute"] == "light"
    assert list(outcome["figures"]) == ["-1", "0", "+1"]
    assert {"moved", "light", "others", "ID_sim to itself"} == outcome["figures"]["+1"].keys()
    assert outcome["files"] == [str(tmp_path / "out" / "codes.safetensors")]
    assert all(Path(path).exists() for path in outcome["files"] + outcome["pictures"])
    again = gpk(*command)
    assert "is finished already" in again.stderr
    assert "ID_sim to itself" in again.stdout


def test_a_direction_of_another_width_is_refused_in_a_sentence(gpk: Gpk, tmp_path: Path) -> None:
    codes(tmp_path / "codes.safetensors")
    torch.save(torch.ones(1, 512), tmp_path / "age.pt")
    done = gpk(
        "run", "edit", "--backend", "stylegan2-minicat", "--codes", str(tmp_path / "codes.safetensors"), "--space", "w",
        "--direction", str(tmp_path / "age.pt"), "--out", str(tmp_path / "out"),
    )  # fmt: skip
    assert done.returncode == 2
    assert "age.pt is [1, 512], and this generator's codes are [10, 128]" in done.stderr
    assert "Traceback" not in done.stderr
