"""A named pipe that nobody writes to, given to each option that takes a file: a sentence at once, and no wait."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from gpk_cli import main

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
JOB = "personalize album --backend stylegan2-minicat --device cpu --out new"
TASK = "--backend stylegan2-minicat --device cpu --out new"
COMMANDS = (
    f"{JOB} --weights pipe",
    f"{JOB} --config pipe",
    f"{JOB} --anchors pipe",
    f"{JOB} --lpips-weights pipe --distance lpips-vgg",
    "show pipe",
    "merge pipe new.safetensors",
    "export pipe new",
    "evaluate pipe",
    "analyze pipe --out new",
    "report pipe",
    "view pipe",
    "weights import stylegan2 pipe",
    "persona import pipe --backend stylegan2",
    "bench minicat --rows pipe --out new",
    f"run edit {TASK} --space w --codes pipe --direction pipe",
    f"run edit {TASK} --space w --codes pipe --labels pipe --labelled pipe --attribute x",
    f"run render {TASK} --codes pipe",
    f"run interpolate {TASK} --codes pipe",
    "run views pipe --device cpu --out new",
    f"run render {TASK} --config pipe",
    "prepare album --backend stylegan2-minicat --device cpu --out new --weights pipe",
    "prepare album --backend stylegan2-minicat --device cpu --out new --detector yunet=pipe",
    "prepare album --backend stylegan2-minicat --device cpu --out new --judge arcface:eg3d=pipe",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_pipe_is_refused(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    (tmp_path / "album").mkdir()
    Image.new("RGB", (64, 64), "teal").save("album/a.png")
    Image.new("RGB", (64, 64), "olive").save("album/b.png")
    assert main(command.split()) == 2
    told = capsys.readouterr().err
    assert "pipe" in told
    assert "Traceback" not in told
    assert not (tmp_path / "new").exists()
