"""The arrows between packages hold, and a broken one is caught."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def linted(root: Path, *shelves: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(map(str, shelves))
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache", "--config", root / "pyproject.toml"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_arrows_hold() -> None:
    result = linted(ROOT)
    assert result.returncode == 0, result.stdout


def test_an_arrow_broken_on_purpose_is_caught(tmp_path: Path) -> None:
    """A copy of the house in which the core imports a backend."""
    names = ("corekit", "adapters", "plugins", "cli", "pyproject.toml")
    for name in names:
        subprocess.run(["cp", "-r", ROOT / name, tmp_path / name], check=True)
    errors = tmp_path / "corekit" / "gpk" / "errors.py"
    errors.write_text(errors.read_text() + "\nimport gpk_eg3d\n")
    result = linted(tmp_path, *(tmp_path / shelf for shelf in ("corekit", "adapters", "plugins", "cli")))
    assert result.returncode != 0
    assert "gpk.errors -> gpk_eg3d" in result.stdout
