r"""Novel views of chosen codes: a grid of yaw and pitch with its depths, and a turntable.

The grid's ends are those of My3DGen's novel views (section 4.1): yaw +-0.35, pitch +-0.25.

Shapes: N codes, V views, P pitches, Y yaws, F frames, L latent layers, D latent width, R image side, r side of depth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gpk.camera import Camera
from gpk.context import Context
from gpk.errors import InputError
from gpk.logger import Run
from gpk.metrics import identity_similarity
from gpk.pixels import from_bytes
from gpk.plugin import option
from gpk.seeding import in_parts
from gpk_runs.animation import write_animation
from gpk_runs.pictures import write_picture
from gpk_runs.sheet import contact_sheet, write_sheet
from gpk_tasks.codes import codes_of, picked, write_codes
from gpk_tasks.keeping import kept
from gpk_tasks.motion import turntable
from gpk_tasks.renders import AT_ONCE, check_angles, orbit
from gpk_tasks.shots import Shots, as_bytes, figures_of_motion

FIRST = 4
"""Codes that are shown where none are named."""
SIDE = 192
"""Pixels of a picture on the sheets and in the animation."""


@dataclass(frozen=True)
class Views:
    """Which codes, and from where they are seen. Raises InputError for what cannot be."""

    anchors: tuple[int, ...] = option((), "Which anchors, counted from 0, such as 0,3; with --codes, which of those.")
    codes: Path | None = option(None, "Instead of anchors: a file of codes, .npy, .npz, .pt or .safetensors.")
    yaw: tuple[float, ...] = option((-0.35, -0.175, 0.0, 0.175, 0.35), "Radians to the left and right of the front.")
    pitch: tuple[float, ...] = option((-0.25, 0.0, 0.25), "Radians above (below 0) and below the front.")
    frames: int = option(48, "Frames of the turntable; 0 for none.")
    seconds: float = option(3.0, "How long a turn takes.")
    turn: float = option(0.35, "Turntable: radians to the left and right.")
    nod: float = option(0.12, "Turntable: radians up and down.")

    def __post_init__(self) -> None:
        if not self.yaw or not self.pitch:
            raise InputError("a grid of views needs at least one yaw and one pitch")
        check_angles(yaw=(*self.yaw, self.turn), pitch=(*self.pitch, self.nod))
        if self.frames < 0 or not self.seconds > 0:
            raise InputError(f"frames must be at least 0 and seconds above 0, not {self.frames} and {self.seconds}")


def views(context: Context, settings: Views, run: Run) -> Mapping[str, Any]:
    """Writes every view to `pictures`, `views.png` and `depth.png`, `depth.safetensors` with the depths [N, V, 1, r, r]
    in world units, the cameras' labels and the codes `w`, and the animation `turntable.webp`.

    Returns for each code how far its frames differ, and ID_sim of its views to the context's album where there are both
    that and a judge. Raises InputError for a 2D generator, and as `codes_of` does.
    """
    grid = grid_of(settings.yaw, settings.pitch)
    loop = turntable(settings.frames, turn=settings.turn, nod=settings.nod)
    cameras = orbit(context, *torch.cat([grid, loop], dim=1).tolist())
    w, kind = codes_of(context, settings.codes)
    numbers = settings.anchors or tuple(range(min(FIRST, len(w))))
    w = picked(w, numbers, kind)
    names = [f"{kind} {number}" for number in numbers]
    known = references(context)
    shots = Shots(w, run.load_state())
    with context.personalized() as generator, kept(run) as tick, torch.no_grad():
        for index, row in enumerate(w):
            begun = max(0, shots.done - index * len(cameras))
            left = range(begun, len(cameras))
            renders = generator.views(row[None], cameras[begun:].to(w.device)) if left else ()
            for view, render in zip(left, renders, strict=True):
                image = render.image.float()
                if view >= grid.shape[1]:
                    shots.add(frames=as_bytes(image, SIDE))
                else:
                    write_picture(run.pictures / _file(names[index], settings, view), image[0])
                    assert render.depth is not None
                    looks = {} if context.judge is None or known is None else {"features": context.judge(image)}
                    shots.add(views=as_bytes(image, SIDE), depths=render.depth.float(), **looks)
                context.logger.progress("views", shots.done, len(w) * len(cameras), {})
                tick(shots.state)
    return _told(context, settings, run, shots, grid=cameras[: grid.shape[1]], names=names, known=known, w=w)


def grid_of(yaw: Sequence[float], pitch: Sequence[float]) -> Tensor:
    """Yaws and pitches [2, P·Y] of a grid, row by row: the yaws of a pitch are together."""
    return torch.tensor([[y for _ in pitch for y in yaw], [p for p in pitch for _ in yaw]])


def references(context: Context) -> Tensor | None:
    """What the judge sees in the context's album, a row of features for each photo; None where either is missing."""
    if context.judge is None or not len(context.album):
        return None
    with torch.no_grad():
        return in_parts(context.judge, context.album.photos, size=AT_ONCE)


def greys(depths: Tensor) -> Tensor:
    """Depths [..., r, r] in world units as pictures in [-1, 1]: near is white, far is black, in one range for all.

    A hundredth of the pixels is beyond either end, so that no stray ray sets the range.
    """
    ordered = depths.flatten().sort().values
    near, far = (ordered[round(share * (len(ordered) - 1))] for share in (0.01, 0.99))
    return (1 - 2 * (depths - near) / (far - near).clamp_min(1e-6)).clamp(-1, 1)


def _file(name: str, settings: Views, view: int) -> str:
    pitch, yaw = divmod(view, len(settings.yaw))
    return f"{name.replace(' ', '-')}.yaw{settings.yaw[yaw]:+g}.pitch{settings.pitch[pitch]:+g}.png"


def _told(
    context: Context,
    settings: Views,
    run: Run,
    shots: Shots,
    *,
    grid: Camera,
    names: Sequence[str],
    known: Tensor | None,
    w: Tensor,
) -> Mapping[str, Any]:
    """Writes what was shown, and returns the task's facts."""
    across, each = len(settings.yaw), len(grid)
    columns = [f"yaw {yaw:+g}" if yaw else "frontal" for yaw in settings.yaw]
    captions = [f"{name} pitch {pitch:+g}" if pitch else name for name in names for pitch in settings.pitch]
    pictures, depths = from_bytes(shots.rows("views")), shots.rows("depths")
    for file, shown, told in (("views.png", pictures, ""), ("depth.png", greys(depths), " · depth, near is white")):
        rows = [list(row) for row in shown.split(across)]
        title = f"{context.backend.name} · views{told}"
        write_sheet(run.directory / file, rows, columns=columns, captions=captions, title=title, side=SIDE)
    depths = depths.unflatten(0, (len(w), each))
    write_codes(run.directory / "depth.safetensors", context, {"depth": depths, "cameras": grid.label(), "w": w})
    figures: dict[str, dict[str, float]] = {name: {} for name in names}
    written = ["views.png", "depth.png", "pictures"]
    if settings.frames:
        frames = from_bytes(shots.rows("frames")).unflatten(0, (len(w), settings.frames))
        for name, loop in zip(names, frames, strict=True):
            figures[name] |= figures_of_motion(loop)
        sheets = [contact_sheet([list(frame)], side=SIDE) for frame in frames.transpose(0, 1)]
        write_animation(run.directory / "turntable.webp", sheets, rate=settings.frames / settings.seconds)
        written.append("turntable.webp")
    if known is not None:
        alike = identity_similarity(shots.rows("features").to(known), known).unflatten(0, (len(w), each))
        for name, each_view in zip(names, alike, strict=True):
            figures[name] |= {"id_sim": each_view.mean().item(), "lowest id_sim": each_view.min().item()}
    return {"figures": figures, "pictures": written, "files": ["depth.safetensors"]}
