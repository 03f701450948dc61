"""`gpk analyze`: of a run with its photos, of several, and of personas whose generator is not here."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import torch

from gpk.generator import Generator
from gpk.lowrank import LoRA
from gpk.persona import Origin, Persona
from gpk.recipe import Recipe
from gpk.seeding import seeded
from gpk_checkpoints.personas import load_persona, save_persona
from gpk_stylegan2 import gpk_backends

Gpk = Callable[..., CompletedProcess[str]]


def test_a_run_is_told_layer_by_layer(gpk: Gpk, tmp_path: Path, cat: Any) -> None:
    out = tmp_path / "analysis"
    command = ("analyze", str(cat.run), "--anchors", "1", "--yaw", "0", "--out", str(out))
    told = gpk(*command)
    assert told.returncode == 0, told.stderr
    assert "backbone.32" in told.stdout
    assert "Does the size of a change tell what it does?" in told.stdout
    assert "Ranks for 50% of the LoRA numbers" in told.stdout
    for name in ("layers.json", "layers.csv", "layers.png", "layers.svg", "layers.html", "ranks.yaml"):
        assert (out / name).stat().st_size > 0
    again = gpk(*command, "--json")
    plain = json.loads(again.stdout)
    assert plain == json.loads((out / "layers.json").read_text())
    (subject,) = plain["subjects"]
    assert subject["trial"]["alike_to"] == "photos"
    assert subject["trial"]["whole"]["distance"] == 0

    page = (out / "layers.html").read_text()
    assert "backbone.32" in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page

    # what is suggested can be tuned
    plan = gpk("personalize", "--dry-run", "--backend", "eg3d-minicat", "--config", str(out / "ranks.yaml"), "--json")
    assert plan.returncode == 0, plan.stderr
    assert json.loads(plan.stdout)["lora"] == plain["suggestion"]["numbers"]


def test_a_persona_alone_is_compared_with_itself(gpk: Gpk, tmp_path: Path, cat: Any) -> None:
    (file,) = cat.run.glob("*.persona.safetensors")
    told = gpk("analyze", str(file), "--no-check", "--by", "kind", "--out", str(tmp_path / "out"))
    assert told.returncode == 0, told.stderr
    assert "affine" in told.stdout
    assert "Does the size" not in told.stdout
    (subject,) = json.loads((tmp_path / "out" / "layers.json").read_text())["subjects"]
    assert subject["trial"] is None


def test_personas_of_other_recipes_are_refused_by_name(gpk: Gpk, tmp_path: Path, cat: Any) -> None:
    (file,) = cat.run.glob("*.persona.safetensors")
    persona = load_persona(file)
    other = Persona(
        persona.changes, replace(persona.recipe, alpha=2.0), persona.origin, persona.anchors, persona.cameras
    )
    save_persona(tmp_path / "bold.persona.safetensors", other)
    told = gpk("analyze", str(file), str(tmp_path / "bold.persona.safetensors"), "--out", str(tmp_path / "out"))
    assert told.returncode == 2
    assert "eg3d-minicat and bold cannot be told together: alpha is 1.0 there and 2.0 here" in told.stderr
    assert not (tmp_path / "out").exists()


def test_an_album_is_of_one_subject(gpk: Gpk, tmp_path: Path, cat: Any) -> None:
    told = gpk("analyze", str(cat.run), str(cat.run), "--album", str(cat.album), "--out", str(tmp_path / "out"))
    assert told.returncode == 2
    assert "--album is of one subject" in told.stderr


def large(sites: Callable[[Generator], Any], *, backend: str = "stylegan2") -> Persona:
    """A persona of some sites of StyleGAN2 at full size, whose weights are not here."""
    family = next(each for each in gpk_backends() if each.name == "stylegan2")
    with torch.device("meta"):
        generator = family.build(family.card.config)
    changes = {}
    for site in sites(generator):
        change = LoRA(tuple(generator.weight(site).shape), rank=1, scale=1.0, layout="flat", rng=seeded(0))
        with torch.no_grad():
            change.B.normal_(generator=seeded(1))
        changes[site.key] = change
    origin = Origin(backend, family.card.name, "0" * 64)
    recipe = Recipe(rank=1, layout="flat")
    return Persona(changes, recipe, origin, torch.zeros(2, generator.latent.w_dim), torch.zeros(2, 0))


def torgbs(generator: Generator) -> Any:
    return [site for site in generator.sites() if site.kind == "torgb"]


def test_without_its_weights_it_is_said_what_is_not_known(gpk: Gpk, tmp_path: Path) -> None:
    save_persona(tmp_path / "big.persona.safetensors", large(torgbs))
    told = gpk("analyze", str(tmp_path / "big.persona.safetensors"), "--out", str(tmp_path / "out"))
    assert told.returncode == 0, told.stderr
    assert "Without the generator's weights there is no |dW| / |W0|, and nothing to show" in told.stderr
    assert "No plot: without the pretrained weights there is no |dW| / |W0| to draw" in told.stderr
    plain = json.loads((tmp_path / "out" / "layers.json").read_text())
    assert plain["groups"]["block"]["backbone.1024"]["percent"] is None
    assert plain["groups"]["block"]["backbone.1024"]["change"]["mean"] > 0


def test_without_its_family_single_weights_are_told(gpk: Gpk, tmp_path: Path) -> None:
    save_persona(tmp_path / "gone.persona.safetensors", large(torgbs, backend="gone"))
    told = gpk("analyze", str(tmp_path / "gone.persona.safetensors"), "--out", str(tmp_path / "out"))
    assert told.returncode == 0, told.stderr
    assert "Without the generator's family only single weights can be told" in told.stderr
    assert "unknown backend 'gone'" in told.stderr
    assert "synthesis.b1024.torgb.weight" in told.stdout


@pytest.mark.parametrize("command", [("analyze",), ("analyze", "nobody")])
def test_nobody_is_said_so(gpk: Gpk, command: tuple[str, ...]) -> None:
    assert gpk(*command).returncode == 2
