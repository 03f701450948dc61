"""The recipe of the bundled detector, and what it is worth.

The finder learns to find heads in pasted scenes (`scenes`): the heat by CenterNet's focal loss (Zhou et al., 2019,
arXiv 1904.07850, Eq. 1), the square by the distance of each number, at the cells about its middle. It is examined in
photographs that were rendered as a whole, of cats that it never saw.

Shapes: B batch, h and w cells.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from gpk.detector import Detector, Found
from gpk.framing import Square
from gpk_minicat.cameras import random_cameras
from gpk_minicat.convnet import folded
from gpk_minicat.finder import CELL, LEAN, SIDE, Finder, MinicatFinder, Readings
from gpk_minicat.store import save_tensors
from gpk_prior.learning import Report, TrainingRecipe, descend
from gpk_prior.scenes import Heads, Scenes, photographed, random_cats, render_heads, rooms

WIDTH, HEIGHT = 320, 240
NEAR = 0.25
"""Sides by which a find may be off and still be of this head."""
EXAMINED = 9
"""The seed of the examination, which no recipe may have."""


@dataclass(frozen=True)
class FinderRecipe(TrainingRecipe):
    """How many shards of heads; how much the square's numbers count beside the heat; how many cats to examine."""

    steps: int = 2_000
    batch: int = 16
    rate: float = 3e-3
    shards: int = 2
    bfloat16: bool = False
    square: float = 1.0
    examined: int = 64


def train_finder(
    work: Path, recipe: FinderRecipe, *, weights: Path, report: Report = lambda *_: None
) -> dict[str, object]:
    """Train the finder in the folder `work`, or go on there, write its weights, and return the facts about them.

    `report(step, steps, loss)` is called after each step. Raises RunError where `work` holds the state of another
    recipe of it.
    """
    work.mkdir(parents=True, exist_ok=True)
    heads = Heads([render_heads(work, recipe.seed, index) for index in range(recipe.shards)])
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(recipe.seed)
        network = Finder(normalised=True)

    def missed(rng: torch.Generator, done: float) -> Tensor:
        scenes = heads.batch(recipe.batch, SIDE, rng)
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bfloat16):
            seen = network.features(scenes.image.contiguous(memory_format=torch.channels_last))
        return loss(network.said(seen.float()), scenes, square=recipe.square)

    seconds = descend(network, missed, recipe, work / "state-finder.safetensors", report)
    network = folded(network)
    facts = {"licence": "Apache-2.0", "recipe": dataclasses.asdict(recipe), "seconds": round(seconds, 1)}
    facts |= examine(MinicatFinder(network).requires_grad_(False), recipe.examined)
    save_tensors(weights, {key: value.half() for key, value in network.state_dict().items()}, facts)
    return facts


def loss(said: Readings, scenes: Scenes, *, square: float) -> Tensor:
    """How far readings are from the truth, a scalar."""
    rows, columns = said.heat.shape[1:]
    across, down = (CELL * (torch.arange(cells) + 0.5) for cells in (columns, rows))
    x, y, side, roll = (truth[:, None, None] for truth in (scenes.x, scenes.y, scenes.side, scenes.roll))
    away = ((across - x).square() + (down[:, None] - y).square()).sqrt()
    # As wide as the cells around the middle, wider for larger heads.
    spread = (0.08 * side).clamp_min(0.6 * CELL)
    wanted = (-0.5 * (away / spread).square()).exp() * scenes.there[:, None, None]
    nearest = (away == away.amin((1, 2), keepdim=True)) & scenes.there[:, None, None]
    sure = said.heat.sigmoid()
    hit = -((1 - sure).square() * F.logsigmoid(said.heat))[nearest].sum()
    quiet = (1 - wanted).pow(4) * sure.square() * F.softplus(said.heat)
    heat = (hit + quiet[~nearest].sum()) / len(scenes.x)
    errors = (
        ((said.x - x) / side, 8.0),
        ((said.y - y) / side, 8.0),
        ((said.side / side).log(), 4.0),
        ((said.roll - roll) / LEAN, 5.0),
    )
    weight = wanted / wanted.sum((1, 2), keepdim=True).clamp_min(1e-6) / len(scenes.x)
    apart = sum(
        (count * weight * F.smooth_l1_loss(error, torch.zeros_like(error), beta=0.02, reduction="none")).sum()
        for error, count in errors
    )
    return heat + square * apart


@dataclass(frozen=True)
class Exam:
    """Photographs [3, H, W] and the square of the head in each, None where nobody is."""

    photos: Sequence[Tensor]
    squares: Sequence[Square | None]


def exam(count: int, seed: int = EXAMINED) -> Exam:
    """`count` photographs of as many cats, heads from a sixth of the shorter side to all of it, rolls up to 30 degrees;
    and a quarter as many of empty rooms.
    """
    rng = torch.Generator().manual_seed(6_000_013 * seed + 5)
    cats, cameras = random_cats(count, rng), random_cameras(count, rng)
    photos: list[Tensor] = []
    squares: list[Square | None] = []
    for i in range(count):
        u = torch.rand(4, generator=rng).tolist()
        side = HEIGHT * 6 ** (u[0] - 1)
        reach = [max(0.0, length - 0.7 * side) for length in (WIDTH, HEIGHT)]
        x, y = (
            (length - free) / 2 + free * part for length, free, part in zip((WIDTH, HEIGHT), reach, u[1:3], strict=True)
        )
        square = Square(x, y, side, 60 * u[3] - 30)
        room = rooms(1, HEIGHT, WIDTH, rng)[0]
        photos.append(photographed(cats[i : i + 1], cameras[i], square, HEIGHT, WIDTH, room))
        squares.append(square)
    empty = [room * 2 - 1 for room in rooms(count // 4, HEIGHT, WIDTH, rng)]
    return Exam([*photos, *empty], [*squares, *[None] * len(empty)])


def examine(detector: Detector, count: int) -> dict[str, float]:
    """Recall, and false finds per photograph, over an exam; medians and 95th percentiles of the errors of the middle
    and the side in per cent of the side, and of the roll in degrees.
    """
    test = exam(count)
    errors: list[tuple[float, float, float]] = []
    false = 0
    for photo, square in zip(test.photos, test.squares, strict=True):
        found = list(detector(photo))
        own = next((head for head in found if square is not None and _away(head, square) < NEAR), None)
        if own is not None and square is not None:
            off = 100 * _away(own, square), 100 * abs(own.side / square.side - 1), abs(own.roll - square.roll)
            errors.append(off)
            found.remove(own)
        false += len(found)
    facts = {"recall": len(errors) / count, "false finds": false / len(test.photos)}
    for name, values in zip(("middle %", "side %", "roll degrees"), zip(*errors, strict=True), strict=False):
        low, high = torch.tensor(values).quantile(torch.tensor([0.5, 0.95])).tolist()
        facts |= {f"{name}, median": low, f"{name}, 95th": high}
    return {name: round(value, 3) for name, value in facts.items()}


def _away(found: Found, square: Square) -> float:
    """How far the middle is off, in sides."""
    x, y = found.centre
    return ((x - square.x) ** 2 + (y - square.y) ** 2) ** 0.5 / square.side
