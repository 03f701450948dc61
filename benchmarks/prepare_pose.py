r"""How far cameras and squares are off in the whole chain: phones' folders of procedural cats through `gpk prepare`.

    python benchmarks/prepare_pose.py --work DIR                              # five individuals: ten minutes of a core
    python benchmarks/prepare_pose.py --work DIR --picture docs/pictures/prepare-pose.png
    python benchmarks/prepare_pose.py --work DIR --seeds 321 --persona        # and what they are good for

Every folder is made by `gpk minicat album --phone`, and `gpk prepare` is told nothing but the folder. Of the photos
that it uses, those of the cat as it is are compared with the truth. Beside it the same photos are posed cut at the
finder's squares, which are left as they are, and at the true ones. Degrees are real ones, between the true and the
found direction of view. What is measured is kept in `--work`: the same command goes on where it was stopped.

Shapes: N photos of an individual.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from histogram import Errors, draw
from torch import Tensor

from gpk.album import Album
from gpk.camera import Camera
from gpk.framing import Square
from gpk.logger import NullLogger
from gpk.registry import Registry
from gpk_cli import main as gpk
from gpk_cli.context import make_context
from gpk_minicat.album import TRUTH
from gpk_minicat.phone import write_phone_folder
from gpk_photos.crop import cropped
from gpk_photos.decode import decode
from gpk_prepare.state import PreparationState
from gpk_runs.plots import COLOURS, GREY
from gpk_tasks.pose.pose import Posing, estimated

WAYS = ("the finder's squares", "gpk prepare", "true squares")
WITHIN = torch.tensor([[0.6], [0.3]])
"""The yaws and pitches that the target is about."""
SPOILED = ("stranger", "mirrored", "black")
"""Kinds of photos that have no true camera of this cat."""


def main() -> None:
    """Measures, and prints tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for photos, albums and results")
    parser.add_argument("--seeds", default="321,322,323,324,325")
    parser.add_argument("--photos", type=int, default=24)
    parser.add_argument("--picture", type=Path, help="a histogram, as PNG")
    parser.add_argument("--persona", action="store_true", help="also make personas: minutes more for each individual")
    options = parser.parse_args()
    rows = {}
    for seed in map(int, options.seeds.split(",")):
        file = options.work / f"{seed}.json"
        if not file.exists():
            options.work.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(measured(options.work, seed, options.photos)))
        rows[seed] = json.loads(file.read_text())
        print(f"{seed}: " + ", ".join(_figures(torch.tensor(each)) for each in rows[seed]["degrees"]), file=sys.stderr)
    tell(rows)
    if options.picture:
        told = "degrees between the true and the found direction (median, 95 %)"
        draw(options.picture, lines_of(rows), told=told)
    if options.persona:
        print("\n| individual | held-out ID_sim | held-out PSNR |\n|---|---|---|")
        for seed in rows:
            found = persona(options.work, seed)
            print(f"| {seed} | {found['id_sim']:.3f} | {found['psnr']:.2f} dB |", flush=True)


def measured(work: Path, seed: int, photos: int) -> dict[str, Any]:
    """Of one individual, for each of WAYS: degrees [3, N], errors of yaw and pitch [3, 2, N] and of the squares
    [3, 4, N], to the right and down in shares of the side, of the logarithm of the side and of the roll in radians;
    the true angles [2, N].
    """
    folder, album = work / "phones" / str(seed), work / "albums" / str(seed)
    write_phone_folder(folder, seed, photos=photos)
    truth = json.loads((folder / TRUTH).read_text())["raw"]
    command = ["prepare", str(folder / "raw"), "--backend", "eg3d-minicat", "--out", str(album), "--device", "cpu"]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = gpk([*command, "--json"])
    if code:
        sys.exit(code)
    lines = [line for line in json.loads(out.getvalue()) if line["use"]]
    lines = [line for line in lines if truth[line["photo"]]["kind"] not in SPOILED]
    state = PreparationState(album)
    faces = {face.crop: face for reading in state.readings.values() for face in reading.faces}
    right = [_square(truth[line["photo"]]) for line in lines]
    as_found = [faces[line["crop"]].square for line in lines]
    refined = [state.poses[line["crop"]].square or faces[line["crop"]].square for line in lines]
    raw = [folder / "raw" / line["photo"] for line in lines]
    ours = Camera.from_label(torch.tensor([state.poses[line["crop"]].label for line in lines]))
    cameras = Camera.from_label(torch.tensor([truth[line["photo"]]["label"] for line in lines]))
    ways = [posed(raw, as_found), ours, posed(raw, right)]
    squares = [as_found, refined, right]
    return {
        "degrees": [way.degrees_from(cameras).tolist() for way in ways],
        "errors": [(way.angles() - cameras.angles()).tolist() for way in ways],
        "squares": [[*zip(*map(_off, each, right), strict=True)] for each in squares],
        "angles": cameras.angles().tolist(),
    }


def posed(raw: Sequence[Path], squares: Sequence[Square]) -> Camera:
    """The cameras of these photos, cut at these squares and nowhere else."""
    registry = Registry.discover(plugins=False)
    backend = registry.backend("eg3d-minicat")
    context = make_context(registry, backend, backend.card, None, weights=None, device="cpu", logger=NullLogger())
    side = context.generator.resolution
    crops = [cropped(decode(file.read_bytes()), each, side) for file, each in zip(raw, squares, strict=True)]
    pictures, masks = (torch.stack(part) for part in zip(*crops, strict=True))
    return estimated(context, Album(pictures, tuple(file.name for file in raw), masks=masks), Posing()).cameras


def persona(work: Path, seed: int) -> dict[str, float]:
    """Held-out figures of the persona made from the prepared album: the photos held out are cut and labelled truly."""
    run, album = work / "personas" / str(seed), work / "albums" / str(seed)
    command = ["personalize", str(album), "--held-out", str(work / "phones" / str(seed) / "held-out")]
    command += ["--backend", "eg3d-minicat", "--device", "cpu", "--out", str(run)]
    with contextlib.redirect_stdout(io.StringIO()):
        code = gpk(command)
    if code:
        sys.exit(code)
    entries = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [entry for entry in entries if entry["event"] == "done"][-1]["figures"]["held-out"]["personalized"]


def tell(rows: dict[int, dict[str, Any]]) -> None:
    """Prints the tables."""
    print(f"| individual | photos | {' | '.join(WAYS)} |\n|---|---|---|---|---|")
    for seed, row in rows.items():
        own = " | ".join(_figures(torch.tensor(degrees)) for degrees in row["degrees"])
        print(f"| {seed} | {len(row['degrees'][0])} | {own} |")
    angles = torch.cat([torch.tensor(row["angles"]) for row in rows.values()], dim=1)
    inside = (angles.abs() <= WITHIN).all(0)
    print(f"\n| | {' | '.join(WAYS)} |\n|---|---|---|---|")
    degrees = [torch.cat([torch.tensor(row["degrees"][way]) for row in rows.values()]) for way in range(len(WAYS))]
    print(f"| all {len(inside)} | {' | '.join(_figures(each) for each in degrees)} |")
    own = " | ".join(_figures(each[inside]) for each in degrees)
    print(f"| within yaw ±0.6 and pitch ±0.3: {int(inside.sum())} | {own} |")
    for index, name in enumerate(("yaw", "pitch")):
        errors = [torch.cat([torch.tensor(row["errors"][way][index]) for row in rows.values()]) for way in range(3)]
        print(f"| {name}, mean ± deviation | {' | '.join(f'{e.mean():+.3f} ± {e.std():.3f}' for e in errors)} |")
    units = (("place, % of the side", 100.0, (0, 1)), ("side, %", 100.0, (2,)), ("roll, °", 180 / math.pi, (3,)))
    for name, unit, chosen in units:
        cells = []
        for way in range(len(WAYS)):
            off = torch.cat([torch.tensor(row["squares"][way]) for row in rows.values()], dim=1)[list(chosen)]
            size = unit * off.norm(dim=0)
            cells.append(f"{size.median():.1f}, {size.quantile(0.95):.1f}")
        print(f"| {name} | {' | '.join(cells)} |")


def lines_of(rows: dict[int, dict[str, Any]]) -> list[Errors]:
    """The errors of each way, as the histogram shows them."""
    degrees = [torch.cat([torch.tensor(row["degrees"][way]) for row in rows.values()]) for way in range(len(WAYS))]
    shown = zip(WAYS, degrees, (COLOURS[1], COLOURS[0], GREY), strict=True)
    return [Errors(f"{name}: {_figures(off)}", off, colour) for name, off, colour in shown]


def _square(shot: dict[str, Any]) -> Square:
    half = shot["side"] / 2
    return Square(shot["left"] + half, shot["top"] + half, shot["side"], math.degrees(shot["roll"]))


def _off(square: Square, right: Square) -> tuple[float, float, float, float]:
    """How far a square is from the right one."""
    (u, v), dx, dy = (2 * part / right.side for part in right.across), square.x - right.x, square.y - right.y
    x, y = (dx * u + dy * v) / right.side, (dy * u - dx * v) / right.side
    return x, y, math.log(square.side / right.side), math.radians(square.roll - right.roll)


def _figures(degrees: Tensor) -> str:
    return f"{degrees.median():.1f}°, {degrees.quantile(0.95):.1f}°"


if __name__ == "__main__":
    main()
