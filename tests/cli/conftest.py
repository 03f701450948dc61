"""Plugins installed for one test, and gpk run with them."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from gpk_cli import main

Done = subprocess.CompletedProcess[str]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder on gpk's path, empty until something is installed in it."""
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


@pytest.fixture
def install(site: Path) -> Callable[..., None]:
    """Leaves a distribution with one plugin on the disk as pip would."""

    def written(distribution: str, source: str, *, plugin: str | None = None) -> None:
        module = distribution.replace("-", "_")
        (site / f"{module}.py").write_text(dedent(source))
        folder = site / f"{module}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[gpk]\n{plugin or distribution} = {module}\n")

    return written


@pytest.fixture
def metadata_of(site: Path) -> Callable[[Path], None]:
    """Leaves in `site` what pip would of a pyproject.toml: the distribution's name, version and entry points."""

    def written(pyproject: Path) -> None:
        project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
        name, version = project["name"], project["version"]
        folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        lines = [f"{plugin} = {module}\n" for plugin, module in project["entry-points"]["gpk"].items()]
        (folder / "entry_points.txt").write_text("".join(["[gpk]\n", *lines]))

    return written


@pytest.fixture
def gpk(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Done]]:
    """Runs gpk in this process with what is installed in `site`."""
    monkeypatch.syspath_prepend(site)
    monkeypatch.delenv("GPK_DISABLE_PLUGINS", raising=False)
    before = set(sys.modules)

    def run(*arguments: str) -> Done:
        capsys.readouterr()
        code = main(arguments)
        captured = capsys.readouterr()
        return Done(arguments, code, captured.out, captured.err)

    yield run
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(site)):
            del sys.modules[name]


@pytest.fixture
def gpk_process(site: Path, running: Callable[..., Any]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts gpk as a process of its own, with what is installed in `site`; it ends with the test."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GPK_", "_GPK"))}
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))  # the gpk that is tested
    ours = {"GPK_CACHE": os.environ["GPK_CACHE"], "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    program = "import sys; from gpk_cli import main; sys.exit(main())"

    with ExitStack() as started:

        def start(*arguments: str, stdin: int | None = None) -> subprocess.Popen[str]:
            streams = {"stdin": stdin, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            return started.enter_context(running(sys.executable, "-c", program, *arguments, env=kept | ours, **streams))

        yield start
