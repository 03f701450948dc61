"""`--backend module:package.file:factory` on the command line, and what a file that names such a backend may not do."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch
from torch import nn

from gpk.persona import Origin, Persona
from gpk.recipe import Recipe
from gpk.registry import Registry
from gpk.seeding import seeded
from gpk_checkpoints.personas import load_persona, save_persona
from gpk_module.network import ModuleGenerator
from gpk_module.traits import recognise
from gpk_photos.write import write_png

Gpk = Callable[..., CompletedProcess[str]]

NET = """
import torch
from torch import nn

class Net(nn.Module):
    z_dim = 8

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.fc, self.paint = nn.Linear(8, 8 * 64), nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, z):
        x = self.fc(z).view(-1, 8, 8, 8).relu()
        return nn.functional.interpolate(self.paint(x), scale_factor=4).tanh()
"""
EVIL = "import pathlib; pathlib.Path('harm').write_text('done')\n" + NET
NAME = "module:somebodys:Net"
COMMANDS = (
    "run synthesize {persona} --out new",
    "merge {persona} new",
    "export {persona} new --format merged",
    "analyze {persona} --out new",
    "evaluate {persona} --references {persona} --out new",
    "view {persona}",
    "personalize {persona} --config config.yaml --out new --no-prepare",
)
"""Each is told by a file alone that the backend is NAME."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a network that leaves a trace where it is imported, and a persona made for it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GPK_CACHE", str(tmp_path / "cache"))
    monkeypatch.delitem(sys.modules, "somebodys", raising=False)
    (tmp_path / "somebodys.py").write_text(EVIL)
    (tmp_path / "config.yaml").write_text(f"backend: {NAME}\n")
    module = nn.Sequential(nn.Linear(8, 192), nn.Unflatten(1, (3, 8, 8)), nn.Tanh())
    generator = ModuleGenerator(module, recognise(module))
    persona = Persona.create(
        generator, Recipe(), origin=Origin(NAME, "as-made", "0" * 64), anchors=torch.zeros(2, 8), rng=seeded(0)
    )
    save_persona(tmp_path / "p.persona.safetensors", persona)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS, ids=[command.split()[0] for command in COMMANDS])
def test_a_files_word_imports_nothing(gpk: Gpk, folder: Path, command: str) -> None:
    done = gpk(*command.format(persona="p.persona.safetensors").split())
    assert done.returncode == 2
    assert done.stderr.rstrip().endswith(
        f"Error: '{NAME}' is code on your machine, and a file that names it is no reason to run it: "
        f"if you trust that code, say so with --backend {NAME}"
    )
    assert not (folder / "harm").exists()
    assert "somebodys" not in sys.modules


def test_show_needs_no_code(gpk: Gpk, folder: Path) -> None:
    assert f"made for      {NAME} (as-made)" in gpk("show", "p.persona.safetensors").stdout
    assert not (folder / "harm").exists()


def test_another_name_than_the_personas_imports_nothing(gpk: Gpk, folder: Path) -> None:
    for command in ("run synthesize {} --out new", "merge {} new", "evaluate {} --references {} --out new"):
        done = gpk(*command.replace("{}", "p.persona.safetensors").split(), "--backend", "module:somebodys:Other")
        assert done.returncode == 2
        assert f"of the backend {NAME}" in done.stderr or f"for the backend {NAME}" in done.stderr
        assert "not module:somebodys:Other: leave out --backend, or give that one" in done.stderr
    assert not (folder / "harm").exists()


def test_asked_for_it_runs_and_other_weights_are_told(gpk: Gpk, folder: Path) -> None:
    done = gpk("merge", "p.persona.safetensors", "new", "--backend", NAME)
    assert (folder / "harm").exists()
    assert done.returncode == 2  # the persona is of another network
    assert "the persona changes module.0.weight [192, 8], where this generator has no such weight" in done.stderr


def test_family_alone_and_dry_run(gpk: Gpk, folder: Path) -> None:
    done = gpk("personalize", "--dry-run", "--backend", "module")
    assert done.returncode == 2
    assert "the backend 'module' alone names no generator: any torch module of yours" in done.stderr
    assert gpk("backends").returncode == 0
    done = gpk("personalize", "--dry-run", "--backend", NAME, "--json")
    assert json.loads(done.stdout)["generator"] == 8 * 512 + 512 + 8 * 27 + 3
    assert f"{NAME}: codes [B, 8] to pictures [B, 3, 32, 32] from -1 to 1" in done.stderr
    wrong = gpk("personalize", "--dry-run", "--backend", "stylegan2:x")
    assert (wrong.returncode, "unknown backend 'stylegan2:x': did you mean" in wrong.stderr) == (2, True)


@pytest.mark.slow
def test_from_photos_to_report(gpk: Gpk, folder: Path) -> None:
    """The photos are the network's own, with its colours changed: what the persona has to learn."""
    (folder / "somebodys.py").write_text(NET)
    options = ("--backend", NAME, "--device", "cpu")
    subject = Registry.discover().backend(NAME, asked=True).build({})
    with torch.no_grad():
        subject.get_parameter("module.paint.weight").mul_(-1)
        for name, count in (("album", 6), ("others", 3)):
            (folder / name).mkdir()
            z = torch.randn(count, 8, generator=seeded(count))
            for index, picture in enumerate(subject(subject.mapping(z)).image):
                write_png(folder / name / f"{index}.png", picture)
    del sys.modules["somebodys"]
    job = ("personalize", "album", "--held-out", "others", "--out", "job", "--steps", "60", "--anchor-steps", "120")
    done = gpk(*job, *options, "--json")
    assert done.returncode == 0, done.stderr
    assert "codes [B, 8] to pictures [B, 3, 32, 32] from -1 to 1 (seen at 16 random codes, " in done.stderr
    figures = json.loads(done.stdout)["figures"]["held-out"]
    assert figures["personalized"]["distance"] < 0.7 * figures["pretrained"]["distance"]
    (persona,) = (folder / "job").glob("*.persona.safetensors")
    assert persona.name == "module-somebodys-Net.persona.safetensors"
    assert load_persona(persona).origin.backend == NAME
    assert gpk(*job, *options).stderr.count("finished already") == 1
    for command in ("evaluate job --quick --out ev", "analyze job --out an", "run synthesize job --out new"):
        refused, done = gpk(*command.split()), gpk(*command.split(), *options)
        assert refused.returncode == 2, refused.stderr
        assert done.returncode == 0, done.stderr
        says = "Without editing: module:somebodys:Net has no judge of attributes"
        assert (says in done.stderr) == command.startswith("evaluate")
    assert gpk("report", "job", "--out", "page.html").returncode == 0
    assert "module:somebodys:Net" in (folder / "page.html").read_text()
    changed = NET.replace("manual_seed(0)", "manual_seed(1)")
    (folder / "somebodys.py").write_text(changed)
    del sys.modules["somebodys"]
    done = gpk("run", "synthesize", "job", "--out", "newer", *options)
    assert done.returncode == 2
    assert "the persona belongs to weights" in done.stderr
