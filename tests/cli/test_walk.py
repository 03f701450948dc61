"""docs/tutorial.md, walked through as its reader would: every command, and what it prints but for the numbers."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from gpk_cli import main

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
CONSOLE = re.compile(r"(?ms)^```console\n(.*?)^```$")
VARIES = ("made with", "made for")
"""Lines that tell versions and weights."""


def blank(line: str) -> str:
    """The line's words: numbers, units and the spaces that align them differ from one machine to the next."""
    return " ".join(re.sub(r"-?[\d.,]+( dB| kB| MB| min| s)?", "#", line).split()).replace("# #", "#")


def told(line: str) -> bool:
    return bool(line.strip()) and not line.startswith(VARIES)


@pytest.mark.slow
def test_the_tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    steps = "".join(CONSOLE.findall(PAGE.read_text(encoding="utf-8"))).split("$ gpk ")[1:]
    assert len(steps) > 5
    for step in steps:
        command, _, answer = step.partition("\n")
        assert main(shlex.split(command)) == 0, capsys.readouterr().err
        printed = capsys.readouterr()
        lines = {blank(line) for line in (printed.out + printed.err).splitlines()}
        for line in filter(told, answer.splitlines()):
            assert blank(line) in lines, f"gpk {command} does not say {line!r} but {printed.out}"
        for path in re.findall(r"\b(?:runs|cat)/[\w./-]+", answer):
            assert (tmp_path / path).exists(), path
