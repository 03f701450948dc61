"""How well `gpk prepare` sorts: precision and recall of what is left out, by reason, over folders of `gpk minicat album
--phone`.

    gpk minicat album phone-101 --seed 101 --phone --photos 40
    python benchmarks/prepare_sorting.py phone-101 phone-102 phone-103 --work OUT [--boxes] [--backend eg3d-minicat]

A folder's truth says of each photo what it is. Of a burst and the photo that it repeats one is to go, whichever. With
`--boxes` crops are cut at the true squares, so that the detector has no part in the figures. Prints JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpk_cli import main
from gpk_minicat.album import TRUTH

REASON = {
    "stranger": "stranger",
    "burst": "repeats",
    "black": "black",
    "mirrored": "mirrored",
    "blurred": "blurred",
    "overexposed": "overexposed",
}
"""The word that a reason begins with, by what a photo is."""


def sorted_folder(folder: Path, work: Path, backend: str, *, boxes: bool) -> list[dict[str, Any]]:
    """The lines that `gpk prepare --json` prints for one folder."""
    truth = truth_of(folder)
    album = work / f"{folder.name}-{backend}{'-boxes' if boxes else ''}"
    options: list[str] = []
    if boxes:
        file = work / f"{folder.name}.csv"
        work.mkdir(parents=True, exist_ok=True)
        with file.open("w", newline="") as stream:
            table = csv.writer(stream)
            table.writerow(["file", "left", "top", "right", "bottom", "roll"])
            for name, shot in truth.items():
                roll = shot["roll"] * 180 / 3.141592653589793
                left, top, side = shot["left"], shot["top"], shot["side"]
                table.writerow([name, left, top, left + side, top + side, roll])
        options = ["--crop", str(file)]
    out = io.StringIO()
    command = ["prepare", str(folder / "raw"), "--backend", backend, "--out", str(album), "--device", "cpu", "--json"]
    with contextlib.redirect_stdout(out):
        code = main([*command, *options])
    if code:
        sys.exit(code)
    return json.loads(out.getvalue())


def truth_of(folder: Path) -> dict[str, Any]:
    """What each raw photo is, by name."""
    return json.loads((folder / TRUTH).read_text())["raw"]


def counted(lines: list[dict[str, Any]], truth: Mapping[str, Any]) -> Counter[str]:
    """Right, wrong and missed decisions by what a photo is, and over all of them."""
    said = {line["photo"]: None if line["use"] else line["why"] for line in lines}
    bad = {name: shot["kind"] for name, shot in truth.items() if shot["kind"] != "good"}
    for name, shot in truth.items():  # either of a burst may go
        original = shot["twin_of"]
        if shot["kind"] == "burst" and said[name] is None and said[original] is not None:
            bad[original] = bad.pop(name)
    found: Counter[str] = Counter()
    for name, why in said.items():
        kind = bad.get(name)
        found["photos"] += 1
        if kind is not None:
            found["bad"] += 1
            found[f"{kind} there"] += 1
            found["left out rightly"] += why is not None
            found[f"{kind} left out"] += why is not None
            found[f"{kind} for its reason"] += why is not None and any(
                part.startswith(REASON[kind]) for part in why.split("; ")
            )
        if why is not None:
            found["left out"] += 1
            found[f"said {why.partition(':')[0].split()[0]}"] += 1
            if kind is None:
                found["good lost"] += 1
                found[f"good lost as {why.partition(':')[0].split()[0]}"] += 1
                print(f"{name} is good, and left out: {why}", file=sys.stderr)
        elif kind is not None:
            print(f"{name} is {kind}, and used", file=sys.stderr)
    return found


def figures(found: Counter[str]) -> dict[str, Any]:
    """Precision and recall of leaving out, and by reason."""
    by_kind = {}
    for kind, word in REASON.items():
        there, right = found[f"{kind} there"], found[f"{kind} for its reason"]
        by_kind[kind] = {
            "there": there,
            "recall": round(found[f"{kind} left out"] / there, 3) if there else None,
            "recall for its reason": round(right / there, 3) if there else None,
            "precision of the reason": round(right / found[f"said {word}"], 3) if found[f"said {word}"] else None,
        }
    return {
        "photos": found["photos"],
        "precision": round(found["left out rightly"] / max(found["left out"], 1), 3),
        "recall": round(found["left out rightly"] / max(found["bad"], 1), 3),
        "good photos lost": {key.removeprefix("good lost as "): n for key, n in found.items() if "lost as" in key},
        "by kind": by_kind,
    }


def run() -> None:
    """Prepares every folder and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--backend", default="eg3d-minicat")
    parser.add_argument("--boxes", action="store_true")
    chosen = parser.parse_args()
    total: Counter[str] = Counter()
    for folder in chosen.folders:
        total += counted(sorted_folder(folder, chosen.work, chosen.backend, boxes=chosen.boxes), truth_of(folder))
    print(json.dumps(figures(total), indent=1))


if __name__ == "__main__":
    run()
