"""The main job on real photographs, a real generator and real judges, by the command line: raw frames with strangers
among them, an album, a persona, its evaluation.

    pytest -q -s -m real tests/real/test_real_run.py     prints the tables of docs/real.md
"""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from photographs import write_album

pytestmark = pytest.mark.real

HERE = Path(__file__).parent
BACKEND = ("--backend", "module:face_dcgan:Faces")
LONG = ("--rank", "8", "--steps", "480")


def gpk(*command: object) -> dict[str, Any]:
    """What a command says to a program."""
    line = (sys.executable, "-c", "import sys, gpk_cli; sys.exit(gpk_cli.main())", *map(str, command), "--json")
    done = subprocess.run(line, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def row(name: str, figures: dict[str, float]) -> None:
    told = {"psnr": 1, "ssim": 3, "distance": 3, "realism": 3, "id_sim": 3}
    print(f"| {name} |", " | ".join(f"{figures[each]:.{digits}f}" for each, digits in told.items()), "|")


@pytest.fixture(scope="module", params=["carphone", "moods"])
def album(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Prepared frames of a clip to learn from, and others of it; three strangers were among the raw ones."""
    clip, home = request.param, tmp_path_factory.mktemp(request.param)
    write_album(clip, home / "raw")
    gpk("prepare", home / "raw", *BACKEND, "--judge", "dlib-id", "--out", home / "album")
    with (home / "album" / "selection.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    strangers = {row["file"]: row["why"] for row in rows if row["file"].startswith("stranger")}
    assert len(strangers) == 3
    assert all(why.startswith("stranger: ") for why in strangers.values()), strangers
    assert not any(row["why"].startswith("stranger: ") for row in rows if row["file"] not in strangers)
    used = [row["crop"] for row in rows if row["use"] == "yes"]
    print(f"\n{clip}: {len(used)} of {len(rows)} photos are used")
    for part, crops in (("train", used[::2]), ("held-out", used[1::2])):
        (home / part).mkdir()
        for crop in crops:
            shutil.copy(home / "album" / crop, home / part)
    return home / "train", home / "held-out"


@pytest.mark.parametrize("how", [(), LONG], ids=["fast", "rank 8, 480 steps"])
def test_who_is_learned_stays_as_real_as_the_generator(album: tuple[Path, Path], how: tuple[str, ...]) -> None:
    """ID_sim rises, and realism does not fall: on photos that were learned from and on others."""
    train, held_out = album
    run = train.parent / f"run{len(how)}"
    judges = ("--distance", "stlpips-alex", "--judge", "dlib-id")
    told = gpk("personalize", train, *BACKEND, *judges, *how, "--held-out", held_out, "--out", run)
    assert (run / "report.html").is_file()
    assert told["doubts"] == []
    for part in ("train", "held-out"):
        before, after = (told["figures"][part][state] for state in ("pretrained", "personalized"))
        row(f"{part}, pretrained", before)
        row(f"{part}, {' '.join(how) or 'fast'}", after)
        assert after["psnr"] > before["psnr"] + 1
        assert after["id_sim"] > before["id_sim"] + 0.1
        assert after["realism"] > before["realism"]
    if not how:
        few = ("--against", "pretrained", "--tasks", "synthesis", "--pictures", "60", "--judge", "dlib-id")
        gpk("evaluate", run, *BACKEND, *few, "--judge", "stlpips-alex", "--out", run / "evaluation")
        assert "Synthesis" in (run / "evaluation" / "tables.md").read_text(encoding="utf-8")
