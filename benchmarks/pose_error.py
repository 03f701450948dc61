r"""How far estimated cameras are from the true ones: procedural cats whose cameras are hidden and looked for.

    python benchmarks/pose_error.py --work DIR                          # five individuals: some minutes on one core
    python benchmarks/pose_error.py --work DIR --picture docs/pictures/pose-error.png
    python benchmarks/pose_error.py --work DIR --seeds 311,312 --persona      # and what the poses are good for

Every individual has all the traits that the prior has not. Its photos, held-out ones included, are posed together; the
angle is the real one between the true and the found direction of view. What is found is kept in `--work`, so the same
command goes on where it was stopped. DIR/SEED/posed is the album as `gpk personalize` takes it, with the estimated
cameras as its labels. With `--persona` a persona is made from the true cameras and from the estimated ones, and each is
scored on held-out photos that are posed in its own way.

Shapes: N photos of an individual, R image side.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from histogram import Errors, draw
from torch import Tensor

from gpk.camera import Camera
from gpk.context import Context
from gpk.logger import NullLogger
from gpk.metrics import rank_correlation
from gpk.registry import Registry
from gpk.seeding import seeded
from gpk_cli.context import make_context
from gpk_minicat.album import write_album
from gpk_photos import write_labels
from gpk_runs.plots import COLOURS, GREY
from gpk_tasks.descent import State
from gpk_tasks.pose.mirror import SURE, mirroring
from gpk_tasks.pose.pose import Posing, estimated
from gpk_tasks.pose.search import grid_within, marginal, peaks

STAGES = ("the search alone", "each photo's camera and code", "cameras of one subject")
PARTS = ("train", "held-out")
WITHIN = torch.tensor([[0.6], [0.3]])
"""The yaws and pitches that the target is about."""


def main() -> None:
    """Measures, and prints tables in Markdown."""
    options = parser().parse_args()
    rows = {}
    for seed in map(int, options.seeds.split(",")):
        file = options.work / f"{seed}{'-spoiled' if options.spoiled else ''}.json"
        if not file.exists():
            options.work.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(measured(seed, options)))
        rows[seed] = json.loads(file.read_text())
        print(f"{seed}: {_figures(torch.tensor(rows[seed]['degrees'][-1]))}", file=sys.stderr)
    tell(rows, options)
    if options.picture:
        draw(options.picture, lines_of(rows), told="degrees between the true and the found direction")
    if options.persona:
        print("\n| individual | cameras | held-out ID_sim | PSNR |\n|---|---|---|---|")
        for seed in rows:
            for kind in ("true", "posed"):
                found = persona(options.work / str(seed), kind)
                print(f"| {seed} | {kind} | {found['id_sim']:.3f} | {found['psnr']:.2f} |", flush=True)


def parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for albums and results")
    parser.add_argument("--seeds", default="311,312,313,314,315")
    parser.add_argument("--photos", type=int, default=12)
    parser.add_argument("--held-out", type=int, default=6)
    parser.add_argument("--picture", type=Path, help="a histogram, as PNG")
    parser.add_argument("--spoiled", action="store_true", help="spoil every third photo, to see what confidence says")
    parser.add_argument("--persona", action="store_true", help="also make personas: minutes more for each individual")
    for field in dataclasses.fields(Posing):
        name = f"--{field.name.replace('_', '-')}"
        parser.add_argument(name, type=type(field.default), default=field.default, help=argparse.SUPPRESS)
    return parser


def measured(seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Degrees [3, N] after each stage, errors of yaw and pitch [2, N], true angles [2, N], confidence, mirroring and
    seconds of one individual.
    """
    folder = options.work / str(seed) / "true"
    write_album(folder, seed, photos=options.photos, held_out=options.held_out)
    contexts = [context_of(folder / part) for part in PARTS if (folder / part).is_dir()]
    context, cameras = contexts[0], Camera.from_label(torch.cat([cameras_of(b).label() for b in contexts]))
    photos = torch.cat([b.album.photos for b in contexts])
    if options.spoiled:
        photos = spoiled(photos)
    settings = Posing(**{field.name: getattr(options, field.name) for field in dataclasses.fields(Posing)})
    states: list[State] = []

    def keep(state: Any) -> None:  # noqa: ANN401 - what gives a State
        states[:] = [state()]

    begin = time.process_time()
    posed = estimated(context, photos, settings, tick=keep)
    seconds = time.process_time() - begin
    if not options.spoiled:
        _label(options.work / str(seed), [b.album.names for b in contexts], posed.cameras)
    tensors, _ = states[0]
    grid = grid_within(settings.yaw, settings.pitch, columns=settings.columns, rows=settings.rows)
    scores = marginal(tensors["poses among the prior's subjects/distances"], settings.temperature)
    coarse = grid.angles()[:, peaks(scores, grid, 1)[:, 0]]
    stages = [context.generator.orbit(*coarse), orbit_of(context, tensors, len(photos), settings), posed.cameras]
    found = posed.cameras.angles() - cameras.angles()
    return {
        "degrees": [stage.degrees_from(cameras).tolist() for stage in stages if stage is not None],
        "errors": found.tolist(),
        "angles": cameras.angles().tolist(),
        "confidence": posed.confidence.tolist(),
        "mirrored": mirrored(context, photos, seed),
        "seconds": seconds,
    }


def orbit_of(context: Context, tensors: dict[str, Tensor], count: int, settings: Posing) -> Camera | None:
    """The cameras that the photos were given by themselves."""
    if settings.hypotheses > 1:
        return None
    return context.generator.orbit(*tensors["cameras and codes/angles"][:, :count])


def spoiled(photos: Tensor) -> Tensor:
    """Photos [N, 3, R, R] of which every third is, by turns, half covered, coarse, or turned by a right angle."""
    photos = photos.clone()
    side = photos.shape[-1]
    for turn, index in enumerate(range(0, len(photos), 3)):
        if turn % 3 == 0:
            photos[index, :, :, side // 2 :] = 0
        elif turn % 3 == 1:
            coarse = torch.nn.functional.avg_pool2d(photos[index], side // 8)
            photos[index] = coarse.repeat_interleave(side // 8, 1).repeat_interleave(side // 8, 2)
        else:
            photos[index] = photos[index].rot90(1, (1, 2))
    return photos


def mirrored(context: Context, photos: Tensor, seed: int) -> list[tuple[bool, float]]:
    """Five times: a quarter of the photos mirrored; whether each was, and what `mirroring` says of it."""
    assert context.judge is not None
    told = []
    for turn in range(5):
        chosen = torch.randperm(len(photos), generator=seeded(seed, "mirror", turn))[: len(photos) // 4]
        was = torch.zeros(len(photos), dtype=torch.bool)
        was[chosen] = True
        album = torch.where(was[:, None, None, None], photos.flip(3), photos)
        told += list(zip(was.tolist(), mirroring(context.judge, album).tolist(), strict=True))
    return told


def persona(folder: Path, kind: str) -> dict[str, float]:
    """Held-out figures of the persona made from the album of that kind."""
    run = folder / f"persona-{kind}"
    album = folder / kind
    command = ["gpk", "personalize", str(album / "train"), "--held-out", str(album / "held-out")]
    command += ["--backend", "eg3d-minicat", "--device", "cpu", "--out", str(run)]
    if not any(json.loads(line)["event"] == "done" for line in _lines(run / "log.jsonl")):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    done = [entry for entry in map(json.loads, _lines(run / "log.jsonl")) if entry["event"] == "done"]
    return done[-1]["figures"]["held-out"]["personalized"]


def context_of(album: Path) -> Context:
    """The embedded prior, with the album's photos and true cameras."""
    registry = Registry.discover(plugins=False)
    backend = registry.backend("eg3d-minicat")
    return make_context(
        registry, backend, backend.card, album, weights=None, device="cpu", logger=NullLogger(), least=1
    )


def cameras_of(context: Context) -> Camera:
    """The true ones."""
    assert context.album.cameras is not None
    return context.album.cameras


def tell(rows: dict[int, dict[str, Any]], options: argparse.Namespace) -> None:
    """Prints the tables."""
    stages = [torch.tensor([row["degrees"][i] for row in rows.values()]) for i in range(len(STAGES))]
    degrees, confidence = stages[-1], torch.tensor([row["confidence"] for row in rows.values()])
    print("| individual | median | 95 % | largest | yaw, mean ± deviation | pitch, mean ± deviation | seconds |")
    print("|---|---|---|---|---|---|---|")
    for seed, row in rows.items():
        yaw, pitch = torch.tensor(row["errors"])
        own = " | ".join(f"{e.mean():+.3f} ± {e.std():.3f}" for e in (yaw, pitch))
        print(f"| {seed} | {_figures(torch.tensor(row['degrees'][-1]))} | {own} | {row['seconds']:.0f} |")
    print(f"\n| {degrees.numel()} photos | median | 95 % | largest |\n|---|---|---|---|")
    for name, stage in zip(STAGES, stages, strict=True):
        print(f"| {name} | {_figures(stage.flatten())} |")
    inside = (torch.tensor([row["angles"] for row in rows.values()]).abs() <= WITHIN).all(1)
    print(f"| within yaw ±0.6 and pitch ±0.3: {int(inside.sum())} | {_figures(degrees[inside])} |")
    for told, chosen in (("flagged", confidence < options.doubt), ("not flagged", confidence >= options.doubt)):
        print(f"| {told}: {int(chosen.sum())} | {_figures(degrees[chosen]) if chosen.any() else '| |'} |")
    spearman = rank_correlation(confidence.flatten()[:, None], degrees.flatten()[:, None]).item()
    print(f"\nSpearman of confidence and error: {spearman:.2f}")
    told = [pair for row in rows.values() for pair in row["mirrored"]]
    caught = [was for was, score in told if score > SURE]
    recall = sum(caught) / max(1, sum(was for was, _ in told))
    print(f"Mirrored photos: precision {sum(caught) / max(1, len(caught)):.3f}, recall {recall:.3f}; "
          f"least margin {min(abs(score) for _, score in told):.2f}")  # fmt: skip
    print(f"Seconds of a core, mean: {statistics.mean(row['seconds'] for row in rows.values()):.0f}")


def lines_of(rows: dict[int, dict[str, Any]]) -> list[Errors]:
    """The errors after every stage, as the histogram shows them."""
    degrees = [torch.tensor([row["degrees"][index] for row in rows.values()]) for index in range(len(STAGES))]
    shown = zip(STAGES, degrees, (GREY, COLOURS[1], COLOURS[0]), strict=True)
    return [Errors(f"{name}: median {off.median():.1f}°", off, colour) for name, off, colour in shown]


def _figures(degrees: Tensor) -> str:
    return f"{degrees.median():.1f}° | {degrees.quantile(0.95):.1f}° | {degrees.max():.1f}°"


def _label(folder: Path, names: list[tuple[str, ...]], cameras: Camera) -> None:
    """The album again, in `folder`/posed, with these cameras as its labels."""
    shutil.rmtree(folder / "posed", ignore_errors=True)
    shutil.copytree(folder / "true", folder / "posed")
    begin = 0
    for part, own in zip(PARTS, names, strict=False):
        write_labels(folder / "posed" / part, own, cameras[begin : begin + len(own)].label())
        begin += len(own)


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


if __name__ == "__main__":
    main()
