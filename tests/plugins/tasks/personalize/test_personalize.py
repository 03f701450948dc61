"""The main job: it learns, it resumes bit for bit, it stops politely."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from gpk.attach import attached
from gpk.errors import RunError
from gpk_checkpoints.personas import load_persona, read_header
from gpk_runs.run import Run
from gpk_tasks.personalize.personalize import describe, personalize

HERE = Path(__file__).parents[1]
Apart = Callable[..., int]


@pytest.fixture(scope="module")
def apart(running: Callable[..., Any]) -> Iterator[Apart]:
    """Does the job in a folder in a process of its own, which kills itself after so many steps; gives its exit code."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with running(sys.executable, HERE / "job.py", "--each", seconds=600, **pipes) as process:

        def done(run: Path, stop_after: int = 0) -> int:
            process.stdin.write(f"{stop_after} {run}\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield done


@pytest.fixture(scope="module")
def whole(apart: Apart, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never interrupted, in a process of its own as the others."""
    directory = tmp_path_factory.mktemp("whole") / "run"
    assert apart(directory) == 0
    return directory


def test_the_run_directory_holds_everything(whole: Path) -> None:
    names = {str(p.relative_to(whole)) for p in whole.rglob("*") if p.is_file()}
    assert {
        "config.yaml",
        "environment.json",
        "log.jsonl",
        "pictures/train.png",
        "pictures/looks/train/003-novel-view.webp",
        "pictures/turntable.webp",
        "report.html",
        "small.persona.safetensors",
    } <= names
    header = read_header(whole / "small.persona.safetensors")
    assert header["album_size"] == 4
    assert header["images_seen"] == 16
    assert "png" not in json.dumps(header)  # no photo's name
    done = [json.loads(line) for line in (whole / "log.jsonl").read_text().splitlines()]
    figures = next(event for event in done if event["event"] == "done")["figures"]["train"]
    assert figures["personalized"]["psnr"] > figures["pretrained"]["psnr"]


@pytest.mark.parametrize("stop_after", [4, 9, 12, 16, 20])  # inside each batch of photos, between stages, in tuning
def test_a_killed_run_goes_on_and_ends_bitwise_as_if_it_never_was(
    apart: Apart, whole: Path, tmp_path: Path, stop_after: int
) -> None:
    assert apart(tmp_path / "run", stop_after) == -signal.SIGKILL
    assert not (tmp_path / "run" / "small.persona.safetensors").exists()
    assert apart(tmp_path / "run") == 0
    resumed = tmp_path / "run" / "small.persona.safetensors"
    assert resumed.read_bytes() == (whole / "small.persona.safetensors").read_bytes()

    def events(directory: Path) -> list[dict[str, object]]:
        lines = [json.loads(line) for line in (directory / "log.jsonl").read_text().splitlines()]
        return [{k: v for k, v in line.items() if k not in ("time", "seconds")} for line in lines]

    assert events(tmp_path / "run") == events(whole)


def test_a_report_that_was_killed_is_made_by_the_same_command(apart: Apart, whole: Path, tmp_path: Path) -> None:
    stop_after = 20 + 2 * 24 + 7  # two turntables, and seven small pictures
    assert apart(tmp_path / "run", stop_after) == -signal.SIGKILL
    assert (tmp_path / "run" / "small.persona.safetensors").exists()
    assert len(list((tmp_path / "run").rglob("*.webp"))) == 7
    assert apart(tmp_path / "run") == 0

    def files(directory: Path) -> dict[str, bytes]:
        return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*.webp")}

    assert files(tmp_path / "run") == files(whole)
    assert (tmp_path / "run" / "report.html").exists()
    assert not (tmp_path / "run" / "state.safetensors").exists()


@pytest.mark.usefixtures("ctrl_c")
def test_asked_to_stop_it_saves_and_says_so(job: ModuleType, tmp_path: Path) -> None:
    context = job.small_context()
    facts = describe(context, job.SETTINGS)
    shown = job.Shown()

    def interrupting(stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        shown.show(stage, done, total, figures)
        if shown.steps == 15:
            os.kill(os.getpid(), signal.SIGINT)

    with (
        Run.open(tmp_path / "run", facts, show=interrupting) as run,
        pytest.raises(KeyboardInterrupt, match="the same command goes on from there"),
    ):
        personalize(dataclasses.replace(context, logger=run), job.SETTINGS, run)
    with Run.open(tmp_path / "run", facts) as run:
        state = run.load_state()
        assert state is not None
        assert state[1]["stage"] == "tune"
        assert state[1]["step"] == 3
        outcome = personalize(dataclasses.replace(context, logger=run), job.SETTINGS, run)
    assert outcome.file.exists()


def test_another_album_or_setting_does_not_go_on_in_the_same_folder(job: ModuleType, tmp_path: Path) -> None:
    context = job.small_context()
    with Run.open(tmp_path / "run", describe(context, job.SETTINGS)):
        pass
    other = dataclasses.replace(job.SETTINGS, seed=5)
    with pytest.raises(RunError, match="holds a run with other settings: seed is 0 there and 5 now"):
        Run.open(tmp_path / "run", describe(context, other))
    darker = dataclasses.replace(context, album=dataclasses.replace(context.album, photos=context.album.photos * 0.9))
    with pytest.raises(RunError, match="album is"):
        Run.open(tmp_path / "run", describe(darker, job.SETTINGS))


def test_the_saved_persona_shows_what_the_report_measured(job: ModuleType, whole: Path) -> None:
    context = job.small_context()
    persona = load_persona(whole / "small.persona.safetensors")
    assert context.album.cameras is not None
    w = persona.anchors[:, None].expand(-1, context.generator.latent.num_ws, -1)
    pretrained = (context.generator(w, context.album.cameras).image - context.album.photos).abs().mean()
    with attached(context.generator, persona), torch.no_grad():
        personalized = (context.generator(w, context.album.cameras).image - context.album.photos).abs().mean()
    assert personalized < pretrained
