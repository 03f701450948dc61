"""A generator of another family, installed beside gpk as a stranger would: docs/examples/gpk-birds.

Every command on docs/foreign.md is run on it, in a slow test; and every command that gpk has is on the page.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from corekit.registry import Registry
from gpk_cli.app import build

Gpk = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., subprocess.Popen[str]]

DOCS = Path(__file__).parents[2] / "docs"
BIRDS = DOCS / "examples" / "gpk-birds"
ELSEWHERE = re.compile(r"^\| `gpk (?P<name>[\w ]+)` \| (?P<why>.+) \|$", re.MULTILINE)
QUICK: dict[str, tuple[str, ...]] = {
    "birds": ("--photos", "4"),
    "personalize": ("--steps", "6", "--anchor-steps", "6"),
    "render": ("--frames", "4", "--formats", "webp"),
    "mesh": ("--resolution", "64", "--faces", "500"),
    "evaluate": (
        *("--pictures", "4", "--pairs", "1", "--points", "2", "--views", "2", "--samples", "64"),
        *("--placement-steps", "2", "--pti-steps", "2"),
    ),
    "run views": ("--frames", "4"),
    "run interpolate": ("--frames", "4"),
    "run invert": ("--steps", "2", "--pti-steps", "2"),
    "run restore": ("--steps", "2"),
    "run edit": ("--samples", "64"),
}
"""What makes the page's commands quick: their own settings are for looking at the results."""


def commands() -> list[list[str]]:
    """The page's commands, without the `gpk`; one that stands for any run of a task is not there."""
    page = (DOCS / "foreign.md").read_text(encoding="utf-8")
    lines = re.findall(r"^    gpk (.+?)(?: +# .*)?$", page, re.MULTILINE)
    return [shlex.split(line) for line in lines]


def named(words: list[str]) -> str:
    """The command in a line of words: two words where it is one of a group's."""
    two = " ".join(words[:2])
    return two if two in set(leaves()) else words[0]


@pytest.fixture
def birds(site: Path, metadata_of: Callable[[Path], None]) -> Path:
    """The distribution in `site`, as pip leaves it."""
    shutil.copytree(BIRDS / "gpk_birds", site / "gpk_birds", ignore=shutil.ignore_patterns("__pycache__"))
    metadata_of(BIRDS / "pyproject.toml")
    return site


@pytest.mark.usefixtures("birds")
def test_it_keeps_the_contract(gpk: Gpk) -> None:
    done = gpk("plugins", "check", "graf-birds")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "birds-48" in done.stdout


def test_it_knows_of_gpk_no_more_than_corekit() -> None:
    said = "\n".join(file.read_text(encoding="utf-8") for file in BIRDS.rglob("*.py"))
    imported = re.findall(r"^\s*(?:from|import) (gpk_\w+|corekit)", said, re.MULTILINE)
    assert set(imported) == {"corekit", "gpk_birds"}
    assert (BIRDS / "gpk_birds" / "birds.safetensors").stat().st_size < 300_000


@pytest.mark.usefixtures("birds")
def test_its_own_parts_are_tuned_by_a_low_rank(gpk: Gpk) -> None:
    done = gpk("personalize", "--dry-run", "--backend", "graf-birds", "--rank", "1", "--json")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert {(row["part"], row["sites"]) for row in plan["rows"]} == {("density", 8), ("colour", 4)}
    assert (plan["generator"], plan["lora"], plan["offsets"], plan["decoder"]) == (20_100, 693, 324, 0)


def test_every_command_is_on_the_page() -> None:
    on_page = {named(words) for words in commands()} - {"birds"}
    elsewhere = {match["name"] for match in ELSEWHERE.finditer((DOCS / "foreign.md").read_text(encoding="utf-8"))}
    assert set(leaves()) - on_page <= elsewhere
    assert on_page <= set(leaves()) - elsewhere


def leaves() -> Iterator[str]:
    """Every command of gpk that does something, by its words."""
    registry = Registry.discover(plugins=False)
    root: Any = typer.main.get_command(build(registry))

    def below(command: Any, context: Any, words: str) -> Iterator[str]:
        if not isinstance(command, TyperGroup) or command.invoke_without_command:
            yield words
        if isinstance(command, TyperGroup):
            for name in command.list_commands(context):
                sub = command.get_command(context, name)
                assert sub is not None
                inside = typer.Context(sub, parent=context, obj=registry, info_name=name)
                yield from below(sub, inside, f"{words} {name}".strip())

    yield from (words for words in below(root, typer.Context(root, obj=registry), "") if words)


@pytest.mark.slow
@pytest.mark.usefixtures("birds")
def test_every_command_on_the_page(
    gpk: Gpk, gpk_process: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in commands():
        if words[0] == "view":
            watched(gpk_process, words)
            continue
        done = gpk(*words, *QUICK.get(named(words), ()))
        assert done.returncode == 0, (words, done.stdout, done.stderr)


def watched(gpk_process: Start, words: list[str]) -> None:
    """Starts the viewer, fetches its page and ends it."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    process = gpk_process(*words, "--port", str(port))
    assert process.stderr is not None
    said = process.stderr.readline()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(said.split()[1]) as page:
        assert page.status == 200
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
