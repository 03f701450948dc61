"""The cameras of an album's photos: the user's own, or looked for by the generator.

Where a detector found the squares, better ones are looked for with the cameras (`gpk_tasks.pose.frame`), and the photos
are cut anew by them. A square that the user gave, the middle of a photo or all of it is his word, and stays.

Shapes: N photos, R side of a crop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from gpk.album import Album
from gpk.camera import Camera
from gpk.context import Context
from gpk.framing import Square
from gpk.logger import Logger
from gpk_photos import read_image
from gpk_photos.contents import Reader
from gpk_photos.reading import Face
from gpk_photos.validity import mask_name
from gpk_prepare.forecast import seconds_of_posing
from gpk_prepare.recut import cut_anew, put_back
from gpk_prepare.settings import DETECT, Preparation
from gpk_prepare.sorting import Pose
from gpk_prepare.state import PreparationState
from gpk_tasks.pose.frame import reframed
from gpk_tasks.pose.pose import Posing, estimated


def given(labels: Mapping[str, Tensor], faces: Mapping[str, object]) -> dict[str, Pose]:
    """The poses of the `faces`' photos that have a label [25], by the photo's name: the user's own cameras."""
    known = [name for name in faces if name in labels]
    angles = [Camera.from_label(labels[name]).angles()[:, 0].tolist() for name in known]
    rows = zip(known, angles, strict=True)
    return {name: Pose(tuple(labels[name].tolist()), yaw, pitch) for name, (yaw, pitch) in rows}


def posed(
    faces: Mapping[str, Face],
    files: Mapping[str, Reader],
    settings: Preparation,
    state: PreparationState,
    context: Context,
    *,
    out: Path,
    logger: Logger,
    tick: Callable[[], None],
    looking: Posing | None = None,
) -> dict[str, Pose]:
    """The cameras of the photos with these faces, by name, all together; from the state, where it has them of exactly
    these. The crops in the album `out` are brought up to the squares that were found with them. `looking` says how
    cameras are looked for, as always where None. Raises as `estimated` and `cut_anew` do.
    """
    squares = {face.crop: face.square for face in faces.values()}
    of = tuple(sorted(squares))
    if of != state.posing_of:
        state.posing, state.poses = None, {}
        state.posing_of = of  # last: at any moment it may be stopped and saved
    refined = settings.cropped == DETECT
    how = replace(looking or Posing(), frames=refined)
    if len(state.poses) != len(of):
        ahead = seconds_of_posing(context.generator, len(of), how)
        logger.record("posing", {"photos": len(of), "seconds": ahead})
        put_back(out)
        album = Album(torch.stack([read_image(out / crop) for crop in of]), of, masks=real_shares(out, of))

        def keep(now: Callable[[], tuple[dict[str, Tensor], dict[str, object]]]) -> None:
            own, where = now()
            # Copies: the next step, in whose middle it may be stopped, changes the tensors themselves.
            state.posing = {name: tensor.clone() for name, tensor in own.items()}, where
            tick()

        told = estimated(
            replace(context, logger=logger), album, how, first=_turns(squares, of), start=state.posing, tick=keep
        )
        rows = zip(
            told.cameras.label().tolist(), told.yaw.tolist(), told.pitch.tolist(), told.confidence.tolist(),
            told.residual.tolist(), strict=True,
        )  # fmt: skip
        frames = dict(zip(of, told.frames.tolist(), strict=True)) if refined else {}
        better = {crop: reframed(squares[crop], tuple(frame)) for crop, frame in frames.items()}
        state.poses = {
            crop: Pose(tuple(label), *rest, square=better.get(crop))
            for crop, (label, *rest) in zip(of, rows, strict=True)
        }
        state.posing = None
    poses = {name: state.poses[face.crop] for name, face in faces.items()}
    wanted = {name: (faces[name].crop, pose.square) for name, pose in poses.items() if pose.square is not None}
    cut_anew(wanted, files, out, side=settings.side, logger=logger, tick=tick)
    return poses


def _turns(squares: Mapping[str, Square], of: Sequence[str]) -> Tensor | None:
    """Where a detector says that the cameras of these crops stand [2, N]; None unless it says so of all."""
    turns = [turn for crop in of if (turn := squares[crop].turn) is not None]
    return torch.tensor(turns).T if len(turns) == len(of) else None


def real_shares(out: Path, crops: Sequence[str]) -> Tensor | None:
    """The masks [N, 1, R, R] of these crops; None where every pixel of all is the photo's own."""
    files = [out / mask_name(crop) for crop in crops]
    if not any(file.exists() for file in files):
        return None
    masks = [(read_image(file)[:1] + 1) / 2 if file.exists() else None for file in files]
    side = next(mask.shape[-1] for mask in masks if mask is not None)
    return torch.stack([torch.ones(1, side, side) if mask is None else mask for mask in masks])
