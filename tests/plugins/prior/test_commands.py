"""`python -m gpk_prior`: it runs, it says what is wrong, and the documents' lines are what it takes."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from gpk_prior.__main__ import build, main

ROOT = Path(__file__).parents[3]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
LINES = [
    line.strip()
    for page in PAGES
    for line in re.findall(r"python -m gpk_prior ([^#`\n]*)", page.read_text(encoding="utf-8"))
]


def test_it_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "gpk_prior", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.findall(r"(?m)^  (\w+)  ", done.stdout) == ["train", "judges", "examine"]


@pytest.mark.parametrize("line", LINES)
def test_the_documents_commands_are_taken(line: str) -> None:
    group = typer.main.get_command(build())
    assert isinstance(group, TyperGroup)
    name, *words = shlex.split(line)
    group.commands[name].make_context(name, words)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("train work --what pior", "unknown network 'pior': did you mean 'prior'?"),
        ("train work --minutes 0", "minutes must be positive and workers at least 1, not 0.0 and 1"),
        ("judges --weights none", "none"),
        ("examin", "No such command 'examin'"),
    ],
)
def test_what_is_wrong_is_told(words: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words.split()) == 2
    assert told in capsys.readouterr().err
