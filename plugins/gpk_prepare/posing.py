"""The cameras of an album's photos: the user's own, or looked for by the generator.

Shapes: N photos, R side of a crop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from corekit.album import Album
from corekit.bench import Bench, Journal
from corekit.camera import Camera
from gpk_photos import read_image
from gpk_photos.validity import mask_name
from gpk_prepare.ledger import Ledger
from gpk_prepare.sorting import Pose
from gpk_tasks.pose import Posing, estimated


def given(labels: Mapping[str, Tensor], faces: Mapping[str, object]) -> dict[str, Pose]:
    """The user's own cameras."""
    known = [name for name in faces if name in labels]
    angles = [Camera.from_label(labels[name]).angles()[:, 0].tolist() for name in known]
    rows = zip(known, angles, strict=True)
    return {name: Pose(tuple(labels[name].tolist()), yaw, pitch) for name, (yaw, pitch) in rows}


def posed(
    names: Sequence[str],
    crops: Mapping[str, str],
    ledger: Ledger,
    bench: Bench,
    out: Path,
    journal: Journal,
    tick: Callable[[], None],
) -> dict[str, Pose]:
    """The cameras of these photos, all together; from the ledger, where it has them of exactly these."""
    of = tuple(sorted(crops.values()))
    if of != ledger.posing_of:
        ledger.posing, ledger.poses = None, {}
        ledger.posing_of = of  # last: at any moment it may be stopped and saved
    if len(ledger.poses) != len(of):
        album = Album(torch.stack([read_image(out / crop) for crop in of]), of, masks=real_shares(out, of))

        def keep(state: Callable[[], tuple[dict[str, Tensor], dict[str, object]]]) -> None:
            own, where = state()
            # Copies: the next step, in whose middle it may be stopped, changes the tensors themselves.
            ledger.posing = {name: tensor.clone() for name, tensor in own.items()}, where
            tick()

        told = estimated(replace(bench, journal=journal), album, Posing(), start=ledger.posing, tick=keep)
        rows = zip(
            told.cameras.label().tolist(), told.yaw.tolist(), told.pitch.tolist(), told.confidence.tolist(),
            told.residual.tolist(), strict=True,
        )  # fmt: skip
        ledger.poses = {crop: Pose(tuple(label), *rest) for crop, (label, *rest) in zip(of, rows, strict=True)}
        ledger.posing = None
    return {name: ledger.poses[crops[name]] for name in names}


def real_shares(out: Path, crops: Sequence[str]) -> Tensor | None:
    """The masks [N, 1, R, R] of these crops; None where every pixel of all is the photo's own."""
    files = [out / mask_name(crop) for crop in crops]
    if not any(file.exists() for file in files):
        return None
    masks = [(read_image(file)[:1] + 1) / 2 if file.exists() else None for file in files]
    side = next(mask.shape[-1] for mask in masks if mask is not None)
    return torch.stack([torch.ones(1, side, side) if mask is None else mask for mask in masks])
