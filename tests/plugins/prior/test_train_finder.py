"""The recipe of the detector of procedural cats: scenes whose squares are true, and a network that learns."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gpk.errors import RunError, WeightsError
from gpk.framing import Square
from gpk_minicat.cameras import random_cameras
from gpk_minicat.finder import CELL, KNOWN, LEAN, SIDE, Finder, Readings, load_finder
from gpk_minicat.render import layers
from gpk_prior.scenes import WIDE, Heads, Scenes, photographed, random_cats, render_heads, rooms
from gpk_prior.train_finder import FinderRecipe, loss, train_finder

TINY = FinderRecipe(steps=2, batch=2, shards=1, examined=1)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a few heads."""
    folder = tmp_path_factory.mktemp("finder")
    render_heads(folder, 0, 0, count=4)
    return folder


def cut(photo: Tensor, square: Square, side: int) -> Tensor:
    """The square of a photo [3, H, W] at a side, bilinearly."""
    height, width = photo.shape[1:]
    (u, v), x, y = square.across, square.x, square.y
    theta = torch.tensor(
        [[[2 * u / width, -2 * v / width, 2 * x / width - 1], [2 * v / height, 2 * u / height, 2 * y / height - 1]]]
    )
    grid = torch.nn.functional.affine_grid(theta, [1, 3, side, side], align_corners=False)
    return torch.nn.functional.grid_sample(photo[None], grid, align_corners=False)[0]


@pytest.mark.parametrize("square", [Square(80, 60, 96), Square(70.5, 66.2, 96, 24), Square(90, 55, 96, -17)], ids=str)
def test_a_photographs_square_shows_what_the_prior_would(square: Square) -> None:
    rng = torch.Generator().manual_seed(0)
    cat, camera = random_cats(1, rng), random_cameras(1, rng)
    black = torch.zeros(3, 120, 160)
    photo = photographed(cat, camera, square, 120, 160, black)
    with torch.no_grad():
        wanted = layers(cat, camera, 48).cat[0] * 2 - 1
    inside = slice(10, 38)  # the square's corners are beyond the photo
    error = (cut(photo, square, 48) - wanted)[:, inside, inside].square().mean().item()
    assert 10 * math.log10(4 / error) > 24
    moved = Square(square.x + 5, square.y, square.side, square.roll)
    assert (cut(photo, moved, 48) - wanted)[:, inside, inside].square().mean().item() > 2 * error


def test_scenes_say_where_heads_are(work: Path) -> None:
    """Cats that are bars across the middle of their squares, once black and once white: what differs is the bar."""
    heads = Heads([work / "heads-0-000.safetensors"])
    heads.cats[:] = 0
    heads.cats[:, 3, 44:52, 36:60] = 255
    black = heads.batch(24, SIDE, torch.Generator().manual_seed(1))
    heads.cats[:, :3, 44:52, 36:60] = 255
    white = heads.batch(24, SIDE, torch.Generator().manual_seed(1))
    assert torch.equal(white.x, black.x)
    bars = (white.image - black.image).abs().mean(1)
    assert 0 < int((~black.there).sum()) < 12
    y, x = torch.meshgrid(torch.arange(SIDE) + 0.5, torch.arange(SIDE) + 0.5, indexing="ij")
    seen = 0
    for bar, there, left, top, side, roll in zip(
        bars, black.there, black.x, black.y, black.side, black.roll, strict=True
    ):
        if not there:
            assert bar.max() < 0.5  # nothing but noise that was clipped
        elif side > 30 and 0.3 * side < min(left, top) and max(left, top) < SIDE - 0.3 * side:
            bar = bar * (bar > 0.3)
            total = bar.sum()
            middle = (bar * x).sum() / total, (bar * y).sum() / total
            assert math.dist(middle, (left, top)) < 1
            along, down = x - middle[0], y - middle[1]
            xx, yy, xy = ((bar * product).sum() / total for product in (along**2, down**2, along * down))
            assert math.degrees(0.5 * math.atan2(2 * xy, xx - yy)) == pytest.approx(roll.item(), abs=4)
            assert math.sqrt(12 * (xx + yy)) == pytest.approx(math.hypot(24, 8) * WIDE / 96 * side.item(), rel=0.12)
            seen += 1
    assert seen > 8


def test_a_perfect_reading_costs_least() -> None:
    cells = SIDE // CELL
    across = CELL * (torch.arange(cells) + 0.5)
    square = Square(41.0, 52.0, 50.0, -12.0)
    one = torch.ones(1, cells, cells)
    heat = torch.full((1, cells, cells), -9.0)
    heat[0, 6, 5] = 9.0
    perfect = Readings(heat, one * square.x, one * square.y, one * square.side, one * square.roll)
    truth = (torch.tensor([value]) for value in (square.x, square.y, square.side, square.roll))
    scenes = Scenes(torch.zeros(1, 3, SIDE, SIDE), *truth, there=torch.tensor([True]))
    least = loss(perfect, scenes, square=1.0)
    assert least < 1e-3
    for worse in (
        perfect._replace(x=perfect.x + 2),
        perfect._replace(y=perfect.y + 2),
        perfect._replace(side=perfect.side * 1.05),
        perfect._replace(roll=perfect.roll + 3),
        perfect._replace(heat=heat.roll(1, 2)),
        perfect._replace(heat=heat.flip(1)),
    ):
        assert loss(worse, scenes, square=1.0) > least + 0.05
    with torch.no_grad():
        said = Finder().eval()(torch.zeros(1, 3, SIDE, SIDE + CELL))
    assert said.heat.shape == (1, cells, cells + 1)
    assert (said.x[0, 0] - torch.cat([across, across[-1:] + CELL])).abs().max() < 3 * CELL
    assert said.side.mean().item() == pytest.approx(KNOWN, rel=1)
    assert said.roll.abs().max() < 3 * LEAN


def test_a_stopped_training_goes_on_and_its_weights_find(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpk_prior.learning.SAVE_EVERY", 1)

    def stop_at_one(step: int, steps: int, loss: float) -> None:
        if step == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_finder(work, TINY, weights=work / "w", report=stop_at_one)
    facts = train_finder(work, TINY, weights=work / "w", report=stop_at_one)
    assert facts["recipe"] == {"seed": 0, "steps": 2, "batch": 2, "rate": 3e-3} | facts["recipe"]  # type: ignore[operator]
    assert (work / "w").stat().st_size < 300_000
    load_finder(work / "w")(torch.zeros(3, 40, 60))
    with pytest.raises(RunError, match=r"state-finder\.safetensors is of a training with other settings"):
        train_finder(work, FinderRecipe(steps=3, batch=2, shards=1, examined=1), weights=work / "w")
    with pytest.raises(WeightsError):
        load_finder(work / "none")


def test_rooms_are_empty() -> None:
    room = rooms(2, 40, 60, torch.Generator().manual_seed(0))
    assert room.shape == (2, 3, 40, 60)
    assert room.min() >= 0
    assert room.max() <= 1
