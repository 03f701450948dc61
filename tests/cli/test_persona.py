"""`gpk persona import`, from a snapshot and its album to a persona that gpk shows, merges and exports."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import my3dgen
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from gpk.camera import Camera
from gpk.latents import latent_statistics
from gpk_checkpoints.personas import load_persona
from gpk_eg3d.network import EG3D

Gpk = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def maker() -> ModuleType:
    """The maker of snapshots."""
    return my3dgen


@pytest.fixture
def base(maker: ModuleType, eg3d: EG3D, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The weights that it was tuned from, as their publisher has them; the folder to work in is theirs."""
    monkeypatch.chdir(tmp_path)
    return maker.official.written(tmp_path / "base.pkl", eg3d)


@pytest.fixture
def album(tmp_path: Path, eg3d: EG3D) -> Path:
    """The codes of three photos, and the cameras of two."""
    folder = tmp_path / "album"
    folder.mkdir()
    for number in range(3):
        rows = np.random.default_rng(number).standard_normal((1, 1, eg3d.latent.w_dim)).astype(np.float32)
        np.save(folder / f"img{number}_latent.npy", rows.repeat(eg3d.latent.num_ws, 1))
    pairs = [[f"img{number}.png", Camera.orbit(0.1 * number, 0.0).label()[0].tolist()] for number in range(2)]
    (folder / "dataset.json").write_text(json.dumps({"labels": pairs}))
    return folder


@pytest.mark.usefixtures("album")
def test_import(gpk: Gpk, maker: ModuleType, eg3d: EG3D, base: Path, tmp_path: Path) -> None:
    snapshot = maker.trained(eg3d, rank=2)
    snapshot.written(tmp_path / "network-snapshot-000500.pkl")
    job = ("persona", "import", "network-snapshot-000500.pkl", "--backend", "eg3d-ffhq", "--weights", str(base))
    done = gpk(*job, "--album", "album")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    name = "network-snapshot-000500.persona.safetensors"
    *_, anchors, wrote = done.stderr.splitlines()
    assert anchors == (
        "network-snapshot-000500.pkl: 3 anchors in W, 1 of them without a label and taken as seen from the front."
    )
    assert wrote.startswith(f"Wrote {name} (")
    assert ": rank 2 in the layout kernel, alpha 16; " in wrote
    persona = load_persona(tmp_path / name)
    assert persona.anchors.shape == (3, 16)
    assert torch.allclose(persona.cameras[1], Camera.orbit(0.1, 0.0).label()[0])
    told = gpk("show", name)
    assert "rank 2, alpha 16, layout kernel" in told.stdout
    assert "album         3 photos, 0 looks" in told.stdout
    assert "my3dgen unknown, gpk" in told.stdout

    assert gpk("merge", name, "merged.safetensors", "--weights", str(base)).returncode == 0
    merged = load_file(tmp_path / "merged.safetensors")
    for key, tensor in snapshot.tuned.state_dict().items():
        a, b = snapshot.factors.get(key, (None, None))
        layer = eg3d.get_submodule(key.rpartition(".")[0])
        scale = 8 / getattr(layer, "weight_gain", 1) if ".affine." in key else 8
        wanted = tensor if a is None else tensor + scale * (b @ a).reshape(tensor.shape)
        assert torch.allclose(merged[key], wanted, rtol=1e-6, atol=1e-6), key
    assert gpk("export", name, "factors").returncode == 0

    again = gpk(*job, "--album", "album")
    assert (again.returncode, "exists already" in again.stderr) == (2, True)
    before = (tmp_path / name).read_bytes()
    assert gpk(*job, "--album", "album", "--force").returncode == 0
    assert (tmp_path / name).read_bytes() == before


def test_without_an_album_the_anchor_is_the_mean(
    gpk: Gpk, maker: ModuleType, eg3d: EG3D, base: Path, tmp_path: Path
) -> None:
    maker.trained(eg3d, alpha=None).written(tmp_path / "a.pkl")
    job = ("persona", "import", "a.pkl", "--backend", "eg3d-ffhq", "--weights", str(base), "--out", "x.safetensors")
    refused = gpk(*job)
    assert (refused.returncode, "give --alpha" in refused.stderr) == (2, True)
    assert not (tmp_path / "x.safetensors").exists()
    done = gpk(*job, "--alpha", "1")
    assert done.returncode == 0, done.stderr
    assert "without --album the persona's only anchor is the mean of W" in done.stderr
    persona = load_persona(tmp_path / "x.safetensors")
    assert torch.equal(persona.anchors, latent_statistics(eg3d).mean[None])
    assert torch.equal(persona.cameras, eg3d.frontal().label())
    assert (persona.origin.album_size, persona.recipe.alpha) == (0, 1)


def test_weights_that_are_a_persona(gpk: Gpk, maker: ModuleType, eg3d: EG3D, tmp_path: Path) -> None:
    path = maker.trained(eg3d).written(tmp_path / "a.pkl")
    done = gpk("weights", "import", "eg3d-ffhq", str(path))
    assert done.returncode == 2
    assert "a persona that My3DGen trained" in done.stderr
    assert "`gpk persona import FILE --backend eg3d-ffhq` takes it" in done.stderr
    said = gpk("weights", "explain", str(path))
    assert said.returncode == 0
    assert "G_ema: a persona that My3DGen trained" in said.stdout
    assert "D: a discriminator" in said.stdout


def test_what_it_replaces(gpk: Gpk, maker: ModuleType, eg3d: EG3D, base: Path, tmp_path: Path) -> None:
    path = maker.trained(eg3d).written(tmp_path / "a.pkl")
    for source in (path, base):
        job = ("persona", "import", f"{path}::G", "--backend", "eg3d-ffhq", "--weights", str(base))
        done = gpk(*job, "--out", str(source), "--force")
        assert (done.returncode, "would be lost" in done.stderr) == (2, True)
