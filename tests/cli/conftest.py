"""Plugins installed for one test, and gpk run on them as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

Gpk = Callable[..., subprocess.CompletedProcess[str]]


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
def gpk(site: Path) -> Gpk:
    """Runs gpk with what is installed in `site`."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("GPK_", "_GPK"))}
        return subprocess.run(
            [sys.executable, "-c", "import sys; from gpk_cli import main; sys.exit(main())", *arguments],
            env=inherited | {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"} | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run
