"""The plugin of docs/plugins.md, written out as its reader would."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Gpk = Callable[..., subprocess.CompletedProcess[str]]

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"
FILE = re.compile(r"^\*\*`(?P<path>[\w./]+)`\*\*\n\n```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def tutorial(site: Path, metadata_of: Callable[[Path], None]) -> Path:
    """The tutorial's files in `site`, installed as its pyproject.toml says."""
    for match in FILE.finditer(PAGE.read_text(encoding="utf-8")):
        target = site / match["path"]
        target.parent.mkdir(exist_ok=True)
        target.write_text(match["text"])
    metadata_of(site / "pyproject.toml")
    return site


@pytest.mark.usefixtures("tutorial")
def test_it_is_found_and_well(gpk: Gpk) -> None:
    rows = {row["name"]: row for row in json.loads(gpk("plugins", "--json").stdout)}
    assert (rows["blobs"]["status"], rows["blobs"]["version"]) == ("ok", "0.1")
    assert rows["blobs"]["offers"] == {"backends": ["blobs"], "judges": ["blobs-l1"], "tasks": ["palette"]}
    assert rows["blobs"]["hooks"] == [
        "gpk_backends",
        "gpk_commands",
        "gpk_judges",
        "gpk_open_album",
        "gpk_tasks",
    ]
    done = gpk("blobs", "7")
    assert done.returncode == 0
    assert len(done.stdout.split()) == 3


@pytest.mark.usefixtures("tutorial")
def test_it_keeps_the_contract(gpk: Gpk) -> None:
    done = gpk("plugins", "check", "palette", "blobs-l1")
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d\d ok, 0 broken, \d skipped\.", done.stderr)


def test_its_task_is_a_command(gpk: Gpk, tutorial: Path, tmp_path: Path) -> None:
    told = gpk("run", "palette", "--help")
    assert "How many pictures. [default: 8]" in told.stdout
    command = ("run", "palette", "--backend", "eg3d-minicat", "--count", "3", "--out", str(tmp_path / "out"))
    done = gpk(*command)
    assert done.returncode == 0, done.stderr
    assert "picture 2" in done.stdout
    assert len((tmp_path / "out" / "palette.txt").read_text().splitlines()) == 3
    assert "is finished already" in gpk(*command).stderr
    other = gpk(*command[:-4], "--count", "4", *command[-2:])
    assert other.returncode == 2
    assert "settings.count is 3 there and 4 now" in other.stderr


def test_its_own_tests_pass_and_its_album_opens(tutorial: Path) -> None:
    (tutorial / "test_album.py").write_text(
        "import numpy, pytest\n"
        "from gpk.errors import AlbumError\n"
        "from gpk.registry import Registry\n"
        "def test_album(tmp_path):\n"
        "    registry = Registry.discover()\n"
        "    numpy.save(tmp_path / 'album.npy', numpy.full((2, 8, 8, 3), 255, numpy.uint8))\n"
        "    album = registry.open_album(tmp_path / 'album.npy', 4, cameras=False)\n"
        "    assert album.photos.shape == (2, 3, 4, 4) and album.photos.min() == 1\n"
        "    numpy.save(tmp_path / 'odd.npy', numpy.zeros(3))\n"
        "    with pytest.raises(AlbumError, match='holds float64'):\n"
        "        registry.open_album(tmp_path / 'odd.npy', 4, cameras=False)\n"
        "    (tmp_path / 'torn.npy').touch()\n"
        "    with pytest.raises(AlbumError, match='is no array of pictures'):\n"
        "        registry.open_album(tmp_path / 'torn.npy', 4, cameras=False)\n"
    )
    path = [str(tutorial), os.environ.get("PYTHONPATH")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tutorial)],
        cwd=tutorial,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, path)), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"\b4\d passed, \d skipped in", done.stdout), done.stdout
