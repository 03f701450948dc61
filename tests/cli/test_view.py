"""`gpk view` as a command: what it says, what it refuses, how it ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gpk.generator import fingerprint
from gpk.persona import Origin, Persona
from gpk.recipe import Recipe
from gpk.registry import Registry
from gpk.seeding import seeded
from gpk_checkpoints.files import write_safetensors
from gpk_checkpoints.personas import save_persona
from gpk_checkpoints.weights import load_generator
from gpk_cli.view import named

Gpk = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def personas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A persona of each embedded prior, of three anchors, that changes nothing yet."""
    folder = tmp_path_factory.mktemp("personas")
    for name in ("eg3d-minicat", "stylegan2-minicat"):
        backend = Registry.discover().backend(name)
        generator = load_generator(backend, backend.card, None, device=torch.device("cpu"))
        anchors = generator.mapping(torch.randn(3, generator.latent.z_dim, generator=seeded(0)))[:, 0]
        origin = Origin(name, backend.card.name, fingerprint(generator))
        save_persona(
            folder / name / f"{name}.persona.safetensors",
            Persona.create(generator, Recipe(), origin=origin, anchors=anchors),
        )
    return folder


def test_it_says_where_it_is_and_ends_by_ctrl_c(gpk_process: Start, personas: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    process = gpk_process("view", str(personas / "eg3d-minicat"), "--device", "cpu", "--port", str(port))
    assert process.stderr is not None
    said = process.stderr.readline()
    assert said == f"eg3d-minicat: http://127.0.0.1:{port} (Ctrl-C ends)\n"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}") as page:
        assert page.status == 200
    process.send_signal(signal.SIGINT)
    out, told = process.communicate(timeout=30)
    assert (process.returncode, out, told) == (130, "", "Interrupted.\n")


def test_another_host_is_served_with_a_warning(gpk_process: Start) -> None:
    with socket.create_server(("0.0.0.0", 0)) as found:
        port = found.getsockname()[1]
    process = gpk_process("view", "--backend", "eg3d-minicat", "--host", "0.0.0.0", "--port", str(port))
    assert process.stderr is not None
    said = process.stderr.readline(), process.stderr.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert said[0] == (
        f"Warning: whoever reaches port {port} of this machine sees and steers the viewer; nothing asks who.\n"
    )
    assert said[1] == f"eg3d-minicat: http://127.0.0.1:{port} (Ctrl-C ends)\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "who is it about? Give a *.persona.safetensors file, or the run that made one, or --backend NAME"),
        (("none",), "there is no none: give a *.persona.safetensors file"),
        (("eg3d-minicat", "--backend", "eg3d-minicat"), "a persona knows its generator: leave out --backend"),
        (("--backend", "eg3d-minicta"), "unknown backend 'eg3d-minicta': did you mean 'eg3d-minicat'?"),
        (("eg3d-minicat", "eg3d-minicat"), "a subject is given twice: name each once"),
        (
            ("eg3d-minicat", "stylegan2-minicat"),
            "stylegan2-minicat was made for stylegan2-minicat (minicat-2d-64, weights ",
        ),
        (("eg3d-minicat", "--direction", "none.npy"), "none.npy"),
        (
            ("eg3d-minicat", "--direction", "wide.safetensors"),
            "the direction is [1, 7], and this generator's codes are",
        ),
        (("eg3d-minicat", "--out", "wide.safetensors"), "wide.safetensors is a file, and pictures need a folder"),
        (("eg3d-minicat", "--port", "70000"), "a port is a number from 1 to 65535, not 70000"),
        (
            ("eg3d-minicat", "--origin", "view.example.org"),
            "an origin is like https://view.example.org, or with a port",
        ),
        (("eg3d-minicat", "--host", "203.0.113.7"), "cannot serve at 203.0.113.7, port 8080: "),
    ],
)
def test_what_cannot_be_viewed_is_told(
    gpk: Gpk,
    personas: Path,
    monkeypatch: pytest.MonkeyPatch,
    free_tcp_port: int,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(personas)
    write_safetensors(Path("wide.safetensors"), {"direction": torch.ones(1, 7)}, {})
    place = () if {"--port", "--host"} & {*arguments} else ("--port", str(free_tcp_port))  # 8080 may be in use
    refused = gpk("view", *arguments, *place)
    assert message in refused.stderr
    assert (refused.returncode, refused.stdout) == (2, "")


def test_a_port_in_use_is_told_before_anything_is_loaded(gpk: Gpk, personas: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = gpk("view", str(personas / "eg3d-minicat"), "--port", str(port), "--weights", "none.safetensors")
    assert f"port {port} is in use here: give another one, such as --port " in refused.stderr
    assert (refused.returncode, refused.stdout) == (2, "")


def test_without_viser_the_extra_is_named(gpk: Gpk, personas: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "viser", None)
    refused = gpk("view", str(personas / "eg3d-minicat"))
    assert refused.stderr == "Error: the viewer needs viser: pip install 'gpk[view]'\n"
    assert (refused.returncode, refused.stdout) == (2, "")


def test_subjects_are_called_by_their_runs_or_files(tmp_path: Path) -> None:
    for name in ("a/run", "b/run", "c"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "eg3d.persona.safetensors").touch()
    runs = [tmp_path / "a/run", tmp_path / "b/run", tmp_path / "c", tmp_path / "c/../a/run/eg3d.persona.safetensors"]
    assert list(named(runs[:3])) == ["a/run", "b/run", "c"]
    assert list(named([tmp_path / "c/eg3d.persona.safetensors"])) == ["eg3d"]
    other = tmp_path / "b/run/eg3d.persona.safetensors"
    assert list(named([tmp_path / "a/run/eg3d.persona.safetensors", other])) == [str(runs[3].resolve()), str(other)]
