r"""Videos of chosen codes: turning, or on the way from one to another; and a strip of their frames.

Rays are sampled without randomness, so that nothing flickers by chance; what does flicker is that samples are few and
slide over the surface as the camera moves. Twice as many per ray, which is usual for videos of EG3D, leave little of it
(docs/render.md). The planes of a code are drawn once, however many frames show it.

Shapes: N codes, F frames, K frames of the whole loop, L latent layers, D latent width, R image side, r side of depth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from gpk.camera import Camera
from gpk.context import Context
from gpk.errors import InputError, RunError
from gpk.generator import Generator, Render
from gpk.hull import LatentHull
from gpk.logger import Run
from gpk.plugin import option
from gpk_checkpoints.files import read_safetensors
from gpk_runs.video import Format, Frame, check_format, write_video
from gpk_tasks.codes import codes_of, picked, write_codes
from gpk_tasks.keeping import kept
from gpk_tasks.motion import figures_of_loop, through, turntable
from gpk_tasks.render.film import Film
from gpk_tasks.render.reel import Reel
from gpk_tasks.renders import check_angles
from gpk_tasks.views import FIRST

LEAST = 256
"""Pixels of a picture, of a smaller generator too."""
CODES = "codes.safetensors"
Look = Literal["pretrained", "personalized"]


@dataclass(frozen=True)
class Rendering:
    """What moves, how long, and how it is shown. Raises InputError for what cannot be."""

    motion: Literal["turntable", "swing", "interpolation"] = option(
        "turntable", "The camera on a round, or level from side to side; or the subject, from one anchor to the next."
    )
    anchors: tuple[int, ...] = option((), "Which anchors, such as 0,3: the first, or the first four to go through.")
    codes: Path | None = option(None, "Instead of anchors: a file of codes, .npy, .npz, .pt or .safetensors.")
    frames: int = option(96, "Frames of a turn; of an interpolation, from one anchor to the next.")
    fps: float = option(24.0, "Frames a second.")
    loops: int = option(1, "How often an mp4 shows the loop; webp and gif go on for ever.")
    turn: float = option(0.35, "Radians to the left and right of the front; 0 for a camera that stays.")
    nod: float = option(0.12, "Radians up and down; a swing has none.")
    side: int | None = option(None, "Pixels of a picture [default: the generator's own, at least 256].")
    formats: tuple[Format, ...] = option(("mp4",), "Of mp4, webp and gif, such as mp4,webp.")
    compare: Literal["none", "pretrained"] = option("none", "Beside it the same codes without the persona.")
    depth: bool = option(False, "Beside it the depth, in one range of greys for the whole video.")
    samples: int | None = option(None, "Times as many samples along rays [default: 2, or 1 where there are none].")
    grid: int = option(8, "Frames on the strip grid.png; 0 for none.")

    def __post_init__(self) -> None:
        if self.frames < 2 or self.loops < 1 or self.grid < 0:
            told = f"not {self.frames}, {self.loops} and {self.grid}"
            raise InputError(f"frames must be at least 2, loops at least 1 and grid at least 0, {told}")
        if not 1 <= self.fps <= 120:
            raise InputError(f"fps must be from 1 to 120, not {self.fps:g}")
        if "gif" in self.formats and self.fps > 50:
            raise InputError(
                f"a gif shows at most 50 frames a second, not {self.fps:g}: give --fps 50, or --formats webp"
            )
        if not self.formats:
            raise InputError("which formats? Give at least one of mp4, webp and gif")
        if self.side is not None and not 16 <= self.side <= 2160:
            raise InputError(f"side must be from 16 to 2160, not {self.side}")
        if self.samples is not None and not 1 <= self.samples <= 16:
            raise InputError(f"samples must be from 1 to 16, not {self.samples}")
        check_angles(yaw=(self.turn,), pitch=(self.nod,))


@dataclass(frozen=True)
class Scene:
    """What is to be seen at one place of the video: `count` frames of codes `w` [1|K, L, D], from as many `cameras`, or
    from none in 2D.
    """

    name: str
    w: Tensor
    cameras: Camera | None
    count: int


@dataclass(frozen=True)
class Shot:
    """A scene as one generator shows it, and the files of its frames."""

    name: str
    scene: Scene
    look: Look
    reel: Reel


def render(context: Context, settings: Rendering, run: Run) -> Mapping[str, Any]:
    """Writes a video of that motion in each format, the strip `grid.png`, every frame as a PNG in `pictures`, and
    `codes.safetensors`: the codes `w` [N, L, D], their `weights` [K, N] on the way through them, the cameras' labels.

    Returns how each scene moves (`figures_of_loop`), measured on the frames in the generator's own size, and the number
    of samples along a ray. Raises InputError or ExtraError before anything is rendered, where it cannot be.
    """
    s, generator = settings, context.generator
    for name in s.formats:
        check_format(name)
    scenes, codes = scenes_of(context, s)
    looks = looks_of(context, s)
    shots = [_shot(run, s, scene, look, alone=len(looks) == 1) for scene in scenes for look in looks]
    with generator.finer(s.samples or (2 if generator.depth_samples else 1)), kept(run) as tick, torch.no_grad():
        samples = generator.depth_samples
        _claim(context, run.directory / CODES, codes)
        left = {shot.name: shot.reel.missing() for shot in shots}
        total = sum(shot.reel.count for shot in shots)
        done = total - sum(map(len, left.values()))
        for look in looks:
            with nullcontext() if look == "pretrained" else context.personalized():
                for shot in (shot for shot in shots if shot.look == look):
                    frames = left[shot.name]
                    for index, view in zip(frames, taken(generator, shot.scene, frames), strict=True):
                        shot.reel.add(index, view)
                        done += 1
                        context.logger.progress("frames", done, total, {})
                        tick(lambda: ({}, {}))  # the frames are the state
    return _told(context, s, run, shots, looks) | {"samples along a ray": samples}


def scenes_of(context: Context, settings: Rendering) -> tuple[list[Scene], dict[str, Tensor]]:
    """What the video shows, a picture each, and the codes behind it as they are told to others.

    Raises InputError for codes that are not there, and for views or depths of a 2D generator.
    """
    s = settings
    codes, kind = codes_of(context, s.codes)
    still = s.motion != "interpolation"
    numbers = s.anchors or tuple(range(min(1 if still else FIRST, len(codes))))
    w = picked(codes, numbers, kind)
    if not still and len(w) < 2:
        raise InputError(f"an interpolation goes from one code to another, and there is {len(w)}: give two --anchors")
    count = s.frames if still else s.frames * len(w)
    cameras = context.generator.orbit(*turntable(count, turn=s.turn, nod=0.0 if s.motion == "swing" else s.nod))
    if cameras is None and (still or s.depth):
        what, instead = ("views", "give --motion interpolation") if still else ("depth", "leave out --depth")
        raise InputError(f"{context.backend.name} is a 2D generator and has no {what}: {instead}")
    cameras = None if cameras is None else cameras.to(w.device)
    told = {"w": w} | ({} if cameras is None else {"cameras": cameras.label()})
    if still:
        named = {f"{kind} {number}": row[None] for number, row in zip(numbers, w, strict=True)}
        return [Scene(name, row, cameras, count) for name, row in named.items()], told
    weights = through(len(w), s.frames)
    return [Scene("path", LatentHull(w).points(weights.to(w)), cameras, count)], told | {"weights": weights}


def looks_of(context: Context, settings: Rendering) -> list[Look]:
    """The generators that show each scene, from left to right; raises InputError where there is none to compare."""
    if context.persona is not None:
        return ["pretrained", "personalized"] if settings.compare == "pretrained" else ["personalized"]
    if settings.compare == "pretrained":
        raise InputError("there is no persona to compare with the pretrained generator: give SUBJECT")
    return ["pretrained"]


def taken(generator: Generator, scene: Scene, frames: Sequence[int]) -> Iterator[Render]:
    """These frames of a scene, one after the other; the planes of a code that stays are drawn once."""
    if len(scene.w) > 1:
        for k in frames:
            yield generator(scene.w[k, None], None if scene.cameras is None else scene.cameras[k])
    elif frames:
        assert scene.cameras is not None
        yield from generator.views(scene.w, scene.cameras[torch.tensor(frames, device=scene.w.device)])


def _shot(run: Run, settings: Rendering, scene: Scene, look: Look, *, alone: bool) -> Shot:
    name = scene.name if alone else f"{scene.name}, {look}"
    folder = run.pictures / name.replace(", ", ".").replace(" ", "-")
    return Shot(name, scene, look, Reel(folder, scene.count, depth=settings.depth))


def _claim(context: Context, file: Path, codes: Mapping[str, Tensor]) -> None:
    """Writes the codes, or raises RunError where the frames that are there already are of others."""
    if not file.exists():
        write_codes(file, context, codes)
    elif not torch.equal(read_safetensors(file)[0]["w"], codes["w"].cpu()):
        raise RunError("the codes have changed since this run began: give another --out")


def _told(
    context: Context, settings: Rendering, run: Run, shots: Sequence[Shot], looks: Sequence[Look]
) -> dict[str, Any]:
    """Writes the videos and the strip, and returns the task's facts."""
    s, reels = settings, {shot.name: shot.reel for shot in shots}
    film = Film(reels, looks=looks, side=s.side or max(LEAST, context.generator.resolution))
    files, pictures = [CODES], ["pictures"]
    for name in dict.fromkeys(s.formats):
        file, loops = f"{s.motion}.{name}", s.loops if name == "mp4" else 1
        stills = _shown(context, file, film.stills(loops=loops), loops * film.count)
        write_video(run.directory / file, stills, rate=s.fps)
        files.insert(-1, file)
    if s.grid:
        title = f"{context.backend.name} · {s.motion}"
        film.write_strip(run.directory / "grid.png", s.grid, rate=s.fps, title=title)
        pictures.insert(0, "grid.png")
    figures = {name: figures_of_loop(reel.pictures()) for name, reel in reels.items()}
    return {"figures": figures, "pictures": pictures, "files": files}


def _shown(context: Context, file: str, stills: Iterator[Frame], total: int) -> Iterator[Frame]:
    """The stills as they are, each told as progress when the next one is asked for."""
    for done, still in enumerate(stills, 1):
        yield still
        context.logger.progress(file, done, total, {})
