r"""Paths between two anchors: the subject turning from one of its photos into another.

    w(s) = (1 - s) w_i + s w_j

My3DGen (section 4.2) takes 10 random pairs of anchors, 10 equally spaced weights s from 0 to 1, and for each the mean
ID_sim of 20 random views. The animation goes there and back while the camera sways,

    s = (1 - cos t) / 2,   yaw = A sin t

and the way back has the codes of the way there, so each is drawn once and seen twice.

Shapes: M anchors, P pairs, S weights, V views, F frames, L latent layers, D latent width, R image side.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gpk.camera import Camera
from gpk.context import Context
from gpk.errors import InputError
from gpk.generator import Generator
from gpk.logger import Run
from gpk.metrics import identity_similarity
from gpk.pixels import from_bytes
from gpk.plugin import option
from gpk.seeding import in_parts, seeded
from gpk_runs.animation import write_animation
from gpk_runs.sheet import contact_sheet, write_sheet
from gpk_tasks.codes import codes_of, picked, write_codes
from gpk_tasks.descent import Tick
from gpk_tasks.keeping import kept
from gpk_tasks.renders import AT_ONCE, check_angles, random_angles, rendered
from gpk_tasks.shots import Shots, as_bytes, figures_of_motion
from gpk_tasks.views import references

MOVING = 4
"""Pairs that the animation shows, the first ones."""
SIDE, FRAME = 128, 192
"""Pixels of a picture on the sheet, and in the animation."""

Pair = tuple[int, int]


@dataclass(frozen=True)
class Interpolation:
    """Between which anchors, how finely, and from where they are seen. Raises InputError for what cannot be."""

    pairs: int = option(10, "How many pairs of anchors, drawn at random.")
    between: tuple[str, ...] = option((), "Instead: these pairs, counted from 0, such as 0:5,2:7.")
    codes: Path | None = option(None, "Instead of anchors: a file of codes, .npy, .npz, .pt or .safetensors.")
    steps: int = option(10, "Points of each path, its ends included.")
    views: int = option(20, "With --album: views of each point whose ID_sim is measured; in 2D there is one.")
    yaw: float = option(0.35, "Those views are within so many radians to the left and right.")
    pitch: float = option(0.25, "Those views are within so many radians up and down.")
    frames: int = option(48, "Frames of the animation, there and back; 0 for none.")
    seconds: float = option(4.0, "How long the animation takes.")
    turn: float = option(0.35, "Animation: how far the camera sways, in radians.")
    seed: int = option(0, "Seed of everything random.")

    def __post_init__(self) -> None:
        if self.pairs < 1 or self.steps < 2 or self.views < 1:
            told = f"not {self.pairs}, {self.steps} and {self.views}"
            raise InputError(f"pairs and views must be at least 1 and steps at least 2, {told}")
        if self.frames < 0 or not self.seconds > 0:
            raise InputError(f"frames must be at least 0 and seconds above 0, not {self.frames} and {self.seconds}")
        check_angles(yaw=(self.yaw, self.turn), pitch=(self.pitch,))
        named_pairs(self.between)  # what cannot be read is said before any work


def interpolate(context: Context, settings: Interpolation, run: Run) -> Mapping[str, Any]:
    """Writes `paths.png` (a row a pair, a column a weight, from the front), `codes.safetensors` with the codes `w`
    [P·S, L, D] path by path, their `pairs` and `weights`, and the animation `paths.webp`.

    Returns for each pair the change from frame to frame, and ID_sim of its views to the context's album where there are
    both that and a judge. Raises InputError for anchors that are not there, and as `codes_of` does.
    """
    codes, kind = codes_of(context, settings.codes)
    pairs = named_pairs(settings.between) or random_pairs(len(codes), settings.pairs, seed=settings.seed)
    picked(codes, [number for pair in pairs for number in pair], kind)
    weights = torch.linspace(0, 1, settings.steps)
    path = paths(codes, pairs, weights)
    write_codes(
        run.directory / "codes.safetensors",
        context,
        {"w": path.flatten(0, 1), "pairs": torch.tensor(pairs), "weights": weights},
    )
    known = references(context)
    shots = Shots(path, run.load_state())
    with context.personalized(), kept(run) as tick:
        _show_paths(context, settings, path, shots, tick, judged=known is not None)
        if settings.frames:
            loop, begun = paths(codes, pairs[:MOVING], there(settings.frames)), shots.done - len(pairs) * settings.steps
            _show_loops(context, settings, loop, shots, tick, begun=begun)
    return _told(context, settings, run, shots, names=[f"{kind} {i} to {j}" for i, j in pairs], known=known)


def named_pairs(names: Sequence[str]) -> list[Pair]:
    """The pairs that are written as 0:5; raises InputError for what is none.

    >>> named_pairs(["0:5", "2:7"])
    [(0, 5), (2, 7)]
    """
    pairs: list[Pair] = []
    for text in names:
        first, _, second = text.partition(":")
        if not (first.strip().isdecimal() and second.strip().isdecimal()):
            raise InputError(f"a pair is two numbers counted from 0, such as 0:5, not {text!r}")
        pairs.append((int(first), int(second)))
    return pairs


def random_pairs(count: int, pairs: int, *, seed: int) -> list[Pair]:
    """So many different pairs of `count` anchors at random, all of them where there are no more.

    Raises InputError for fewer than two anchors.
    """
    if count < 2:
        raise InputError(f"a path needs two codes, and there is {count}")
    every = list(combinations(range(count), 2))
    order = torch.randperm(len(every), generator=seeded(seed, "pairs"))[:pairs]
    return [every[index] for index in order.tolist()]


def paths(anchors: Tensor, pairs: Sequence[Pair], weights: Tensor) -> Tensor:
    """Codes [P, S, L, D] on the straight lines between pairs of anchors [M, L, D], at each weight [S]: 0 is the first
    of the pair, 1 the second, bit for bit.
    """
    first, second = (anchors[[pair[end] for pair in pairs]][:, None] for end in (0, 1))
    share = weights.to(anchors)[None, :, None, None]
    return torch.where(share < 0.5, first + share * (second - first), second - (1 - share) * (second - first))


def path_views(generator: Generator, codes: Tensor, cameras: Camera | None) -> Iterator[Tensor]:
    """Images [V, 3, R, R] of each code of [P, S, L, D], path by path; the one view of a 2D generator for no cameras.

    The planes of a code are drawn once.
    """
    return (render.image for render in rendered(generator, codes.flatten(0, 1), cameras))


def there(frames: int) -> Tensor:
    """The weights [F // 2 + 1] of the animation's way there, from 0 to 1 for an even number of frames."""
    return torch.tensor([(1 - math.cos(2 * math.pi * k / frames)) / 2 for k in range(frames // 2 + 1)])


def _show_paths(
    context: Context, settings: Interpolation, path: Tensor, shots: Shots, tick: Tick, *, judged: bool
) -> None:
    """Takes every code of `path` from the front and, where they are judged, from random views, the same for all."""
    count = settings.views if judged else 0
    angles = random_angles(count, yaw=settings.yaw, pitch=settings.pitch, seed=settings.seed)
    cameras = context.generator.orbit(*torch.cat([torch.zeros(2, 1), angles], dim=1))
    left = path.flatten(0, 1)[shots.done :]
    for image in path_views(context.generator, left[None], cameras):
        looks = {}
        if judged and context.judge is not None:
            with torch.no_grad():
                features = in_parts(context.judge, image if cameras is None else image[1:], size=AT_ONCE)
            looks = {"features": features[None]}
        shots.add(fronts=as_bytes(image[:1], SIDE), **looks)
        context.logger.progress("paths", shots.done, path.shape[0] * path.shape[1], {})
        tick(shots.state)


def _show_loops(
    context: Context, settings: Interpolation, path: Tensor, shots: Shots, tick: Tick, *, begun: int
) -> None:
    """Takes the animation's codes [P, F // 2 + 1, L, D], each as it is met on the way there and on the way back; the
    first `begun` of them are taken already.
    """
    left = path.flatten(0, 1)[begun:]
    for index, row in enumerate(left, begun):
        phase = 2 * math.pi * (index % path.shape[1]) / settings.frames
        cameras = context.generator.orbit(settings.turn * math.sin(phase) * torch.tensor([1.0, -1.0]))
        (image,) = path_views(context.generator, row[None, None], cameras)
        shots.add(frames=as_bytes(image, FRAME).expand(2, -1, -1, -1)[None])
        context.logger.progress("animation", index + 1, path.shape[0] * path.shape[1], {})
        tick(shots.state)


def _told(
    context: Context, settings: Interpolation, run: Run, shots: Shots, *, names: Sequence[str], known: Tensor | None
) -> Mapping[str, Any]:
    """Writes what was shown, and returns the task's facts."""
    steps, weights = settings.steps, torch.linspace(0, 1, settings.steps).tolist()
    rows = [list(row) for row in from_bytes(shots.rows("fronts")).split(steps)]
    columns, title = [f"{weight:.2f}" for weight in weights], f"{context.backend.name} · paths"
    write_sheet(run.directory / "paths.png", rows, columns=columns, captions=names, title=title, side=SIDE)
    figures: dict[str, dict[str, float]] = {name: {} for name in names}
    pictures = ["paths.png"]
    if settings.frames:
        loops = _loops(from_bytes(shots.rows("frames")), settings.frames)
        for name, loop in zip(names, loops, strict=False):  # the first ones alone are moving
            figures[name] |= figures_of_motion(loop)
        sheets = [contact_sheet([list(frame)], side=FRAME) for frame in loops.transpose(0, 1)]
        write_animation(run.directory / "paths.webp", sheets, rate=settings.frames / settings.seconds)
        pictures.append("paths.webp")
    facts: dict[str, Any] = {"figures": figures, "pictures": pictures, "files": ["codes.safetensors"]}
    if known is not None:
        features = shots.rows("features").to(known)
        alike = identity_similarity(features.flatten(0, 1), known).view(len(names), steps, -1).mean(2)
        for name, each in zip(names, alike, strict=True):
            figures[name] |= {"id_sim": each.mean().item(), "lowest id_sim": each.min().item()}
        by_weight = dict(zip(columns, alike.mean(0).tolist(), strict=True))
        figures["mean"] = {"id_sim": alike.mean().item(), "lowest id_sim": min(by_weight.values())}
        facts["id_sim by weight"] = by_weight
    return facts


def _loops(shots: Tensor, frames: int) -> Tensor:
    """The frames [P, F, 3, R, R] out of what was met [P·K, 2, 3, R, R] at each of K points, there and back."""
    each = shots.unflatten(0, (-1, frames // 2 + 1))
    order = [(k, 0) if k <= frames // 2 else (frames - k, 1) for k in range(frames)]
    return torch.stack([each[:, point, way] for point, way in order], dim=1)
