"""`gpk evaluate` on a real run: every protocol, a study, what resumes, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import torch

from gpk_checkpoints.personas import load_persona

Gpk = Callable[..., CompletedProcess[str]]
FEW = (
    "--placement", "quick", "--placement-steps", "3", "--pti-steps", "2", "--pairs", "2", "--points", "3", "--views",
    "2", "--pictures", "9", "--samples", "120", "--attributes", "smile,light", "--amounts", "-1,1", "--device", "cpu",
)  # fmt: skip


@pytest.fixture(scope="module")
def evaluated(cat: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an evaluation of the cat's run, against the pretrained generator."""
    from gpk_cli import main

    out = tmp_path_factory.mktemp("evaluated") / "out"
    assert main(["evaluate", str(cat.run), *FEW, "--against", "pretrained", "--out", str(out)]) == 0
    return out


def test_every_protocol_tells_its_figures(evaluated: Path) -> None:
    told = json.loads((evaluated / "results.json").read_text())
    figures = {(r["way"], r["protocol"]): r["figures"] for r in told["results"]}
    assert {way for way, _ in figures} == {"pretrained", "personalized"}
    for way in ("pretrained", "personalized"):
        assert figures[way, "inversion"].keys() == {"hull", "hull, PTI"}
        assert figures[way, "restoration"].keys() == {"hole", "4 times coarser"}
        assert figures[way, "editing"].keys() == {"smile", "light"}
        assert {"ID_sim", "diversity"} <= figures[way, "synthesis"]["hull"].keys()
        for by_name in figures[way, "inversion"].values():
            assert {"PSNR", "SSIM", "minicat-perceptual", "ID_sim"} == by_name.keys()
    assert told["networks"].keys() == {"minicat-identity", "minicat-perceptual", "minicat-attributes"}
    assert all(len(digest) == 64 for digest in told["networks"].values())
    costs = {r["way"]: (r["numbers"], r["images_seen"]) for r in told["results"]}
    assert costs["pretrained"] == (0, 0)
    assert min(costs["personalized"]) > 0


def test_a_persona_is_more_like_its_subject(evaluated: Path) -> None:
    told = json.loads((evaluated / "results.json").read_text())
    alike = {(r["way"], r["protocol"]): r["figures"] for r in told["results"]}
    for protocol, what in (("synthesis", "hull"), ("interpolation", "paths")):
        before, after = (alike[way, protocol][what]["ID_sim"] for way in ("pretrained", "personalized"))
        assert after > before


def test_tables_curve_and_sheets_are_written(evaluated: Path) -> None:
    page = (evaluated / "tables.md").read_text()
    assert "## Inversion of held-out photos (Table 1; in the hull alone: appendix D)" in page
    assert "| hull, PTI | personalized |" in page
    assert "| minicat-identity |" in page
    sheets = {path.name for path in (evaluated / "pictures").iterdir()}
    assert sheets == {f"run, {p}.png" for p in ("inversion", "interpolation", "synthesis", "restoration", "editing")}
    assert (evaluated / "interpolation.png").exists()


def test_what_is_done_is_not_done_again_and_more_can_be_asked(gpk: Gpk, cat: Any, evaluated: Path) -> None:
    before = [json.loads(line) for line in (evaluated / "log.jsonl").read_text().splitlines()]
    command = ("evaluate", str(cat.run), *FEW, "--against", "pretrained,full", "--tasks", "synthesis")
    done = gpk(*command, "--out", str(evaluated))
    assert done.returncode == 0, done.stderr
    after = [json.loads(line) for line in (evaluated / "log.jsonl").read_text().splitlines()]
    fresh = [event["measured"] for event in after[len(before) :] if event["event"] == "measured"]
    assert after[: len(before)] == before
    assert [(m["way"], m["protocol"]) for m in fresh] == [("full", "synthesis")]
    assert fresh[0]["numbers"] > 1_000_000
    assert (evaluated / "personas" / "run, full.persona.safetensors").exists()


def test_a_study_tunes_personas_of_its_own(gpk: Gpk, cat: Any, tmp_path: Path) -> None:
    command = ("evaluate", str(cat.run), *FEW, "--no-pti", "--tasks", "ranks,sizes", "--ranks", "1", "--sizes", "4,50")
    done = gpk(*command, "--out", str(tmp_path / "out"), "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    rows = {(row["of"], row["way"]) for row in told["summary"]["sizes"]}
    assert rows == {(of, way) for of in ("inversion, hull", "synthesis, hull") for way in ("4 photos", "6 photos")}
    numbers = {r["way"]: r["numbers"] for r in told["results"]}
    assert numbers["rank 1"] < numbers["6 photos"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--tasks", "inversoin"], "unknown protocol or study 'inversoin': did you mean 'inversion'?"),
        (["--against", "ful"], "unknown baseline 'ful': did you mean 'full'?"),
        (["--judge", "arcfaec"], "unknown judge 'arcfaec': did you mean 'arcface'?"),
        (["--factors", "7", "--tasks", "restoration"], "64 pixels a side cannot be 7 times coarser"),
        (["--attributes", "smil", "--tasks", "editing", "--samples", "40"], "unknown attribute 'smil'"),
        (["--pictures", "0"], "pictures must be at least 1, not 0"),
        (["--references", "nowhere"], "learned from photos that are needed here, and they are not at nowhere"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    gpk: Gpk, cat: Any, tmp_path: Path, options: list[str], told: str
) -> None:
    done = gpk("evaluate", str(cat.run), *FEW[:4], *options, "--out", str(tmp_path / "out"))
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_persona_alone_wants_its_photos(gpk: Gpk, cat: Any, tmp_path: Path) -> None:
    file = shutil.copy(next(cat.run.glob("*.persona.safetensors")), tmp_path)
    alone = gpk("evaluate", str(file), *FEW, "--out", str(tmp_path / "out"))
    assert alone.returncode == 2
    assert "does not tell where its photos are: give them with --references" in alone.stderr
    given = gpk(
        "evaluate", str(file), *FEW, "--references", str(cat.album), "--tasks", "synthesis", "--against", "pretrained",
        "--out", str(tmp_path / "out"),
    )  # fmt: skip
    assert given.returncode == 0, given.stderr
    other = gpk(
        "evaluate", str(cat.run), *FEW, "--references", str(cat.held_out), "--tasks", "synthesis", "--out",
        str(tmp_path / "other"),
    )  # fmt: skip
    assert other.returncode == 2
    assert "is not the album that" in other.stderr


def test_judges_that_are_not_here_are_told_and_the_rest_goes_on(gpk: Gpk, cat: Any, tmp_path: Path) -> None:
    judges = ("--judge", "arcface", "--judge", "minicat-identity")
    command = ("evaluate", str(cat.run), *FEW, *judges, "--tasks", "synthesis", "--against", "pretrained")
    done = gpk(*command, "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert "Without arcface: " in done.stderr
    assert "| arcface | not here: " in (tmp_path / "out" / "tables.md").read_text()


@pytest.mark.slow
def test_a_run_of_given_anchors_in_w_plus_is_evaluated_and_analyzed(gpk: Gpk, cat: Any, tmp_path: Path) -> None:
    found = load_persona(cat.run / "eg3d-minicat.persona.safetensors").anchors
    shift = torch.linspace(0, 0.1, 10)[:, None]  # a little more in each layer
    torch.save({"latents": found[:, None] + shift}, tmp_path / "w.pt")
    layers = ("--backend", "eg3d-minicat", "--device", "cpu", "--steps", "2", "--anchors", str(tmp_path / "w.pt"))
    run = str(tmp_path / "run")
    done = gpk("personalize", str(cat.album), *layers, "--held-out", str(cat.held_out), "--out", run)
    assert done.returncode == 0, done.stderr
    assert load_persona(tmp_path / "run" / "eg3d-minicat.persona.safetensors").anchors.ndim == 3
    few = (*FEW, "--tasks", "inversion,interpolation", "--against", "full", "--out", str(tmp_path / "evaluation"))
    evaluated = gpk("evaluate", run, *few)
    assert evaluated.returncode == 0, evaluated.stderr
    told = json.loads((tmp_path / "evaluation" / "results.json").read_text())["results"]
    assert {(r["way"], r["protocol"]) for r in told} == {
        (way, protocol) for way in ("personalized", "full") for protocol in ("inversion", "interpolation")
    }
    analyzed = gpk("analyze", run, "--device", "cpu", "--out", str(tmp_path / "analysis"))
    assert analyzed.returncode == 0, analyzed.stderr
