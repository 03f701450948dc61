"""An album from a folder or a zip: every usable photograph at one side, and the reason for each one left out.

Larger photos come down by antialiased Lanczos, somewhat smaller ones go up by it; below half the side there is too
little to learn from. Without cameras a photo is cropped to its central square; with them it must be square already,
since a crop would change what its label says. What a photo's mask says is not real (`gpk_photos.validity`) stays so.

Shapes: N photographs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import torch
from PIL import Image
from torch import Tensor

from gpk.album import Album
from gpk.camera import Camera
from gpk.errors import AlbumError, InputError, LabelError
from gpk_checkpoints.sniffed import ARRAYS, CONTAINERS, what_is
from gpk_photos.contents import Reader, album_files, is_album
from gpk_photos.decode import decode, is_square, tensor
from gpk_photos.kinds import MADE, PHOTOS, Found, look_through
from gpk_photos.labels import (
    HOW_TO_LABEL,
    LABEL_FILE,
    NoLabelsError,
    label_of,
    near_miss,
    parse_labels,
    photo_of,
    stated_labels,
)
from gpk_photos.selection import used_crops
from gpk_photos.table import short
from gpk_photos.validity import read_validity
from gpk_runs.pictures import made_by_gpk

OTHERS = "other files"
"""The name under which `left_out` of an album counts what is no photo of its subject."""
LONGEST = 200
"""Letters of a name in a message, and of what is wrong with it."""
MARKED = 2**14
"""Bytes within which gpk's own PNGs say that they are: of a photo that is not used anyway no more is read."""


def open_album(path: Path, *, side: int, cameras: bool, minimum: int = 1) -> Album:
    """The photographs at `path`, [N, 3, side, side] in [-1, 1], by name; with `cameras`, each with its camera.

    Raises AlbumError where there is no album or fewer than `minimum` photographs are usable, LabelError where a label
    is not a camera.
    """
    reasons: dict[str, str] = {}
    kept: dict[str, tuple[Tensor, Tensor | None]] = {}
    seen: dict[bytes, str] = {}
    with album_files(path) as there:
        found = look_through(there)
        files = found.files
        if found.selection not in files:
            _require_photos(path, found)
        labels = _labels(path, files, reasons) if cameras else {}
        for name, read in _selected(path, found, reasons).items():
            unlabelled = cameras and name not in labels
            try:
                content = read(first=MARKED if unlabelled else None)
                if made_by_gpk(content):
                    found.pass_over(MADE, "")
                elif unlabelled:
                    reasons[name] = f"no camera label in {LABEL_FILE}"
                else:
                    mask = files[found.masks[name]] if name in found.masks else None
                    kept[name] = _photo(content, mask, name, side, seen, crop=not cameras)
            except AlbumError as error:
                reasons[name] = str(error)
        if others := found.others():
            reasons[OTHERS] = others
    if len(kept) < max(minimum, 1):
        raise AlbumError(_too_few(path, len(kept), max(minimum, 1), reasons))
    photos, real = zip(*kept.values(), strict=True)
    whole = torch.ones(1, side, side)
    return Album(
        photos=torch.stack(photos),
        names=tuple(kept),
        cameras=Camera.from_label(torch.stack([labels[name] for name in kept])) if cameras else None,
        left_out=tuple(sorted(reasons.items())),
        masks=torch.stack([whole if mask is None else mask for mask in real])
        if any(mask is not None for mask in real)
        else None,
    )


def known_labels(path: Path, file: Path | None) -> dict[str, Tensor]:
    """Camera labels [25] of the photos at `path`, by name: those in the label file `file`, or where None those that lie
    among the photos, if any. Raises LabelError, or AlbumError where there is no album.
    """
    with album_files(path) as files:
        if file is None:
            files = look_through(files).files
            there = any(PurePosixPath(name).name == LABEL_FILE for name in files)
            try:
                return _labels(path, files, {}) if there else {}
            except NoLabelsError:
                return {}
        found = stated_labels(file)
        meant = photo_of(found, files)
        if not meant:
            hint = near_miss(found, _unlabelled(files, {}))
            raise LabelError(
                f"{file} labels none of the photos in {path}: its names are relative to that folder"
                f"{f'. {hint}' if hint else ''}"
            )
        return {meant[name]: label for name, label in found.items() if name in meant}


def photo_names(path: Path) -> list[str]:
    """The photos at `path` by name. Raises AlbumError where there are none."""
    with album_files(path) as files:
        return list(photos_among(files, path).photos)


def photos_among(files: Mapping[str, Reader], path: Path) -> Found:
    """What the files of the album at `path` are; raises AlbumError where there is no photo."""
    found = look_through(files)
    _require_photos(path, found)
    return found


def is_raw(path: Path, *, cameras: bool) -> bool:
    """Whether the album at `path` has to be prepared before it can be learned from: with `cameras`, where nobody has
    labelled it, and without them, where a photo is not square.
    """
    if not is_album(path):
        return False
    with album_files(path) as files:
        found = look_through(files)
        if found.selection in found.files or not found.photos:
            return False
        if cameras:
            return not any(PurePosixPath(name).name == LABEL_FILE for name in found.files)
        return any(not is_square(read) for read in found.photos.values())


def _require_photos(path: Path, found: Found) -> None:
    if not found.photos:
        others = f". Passed over: {found.others()}" if found.passed_over else ""
        if path.is_file() and (what := what_is(path)) in (ARRAYS, CONTAINERS["torch"]):  # zips, too
            others += f". It is {what}"
        raise AlbumError(f"no photos in {path}: put PNG, JPEG, WebP, BMP, TIFF, GIF or HEIC files there{others}")


def _selected(path: Path, found: Found, reasons: dict[str, str]) -> Mapping[str, Reader]:
    """The files that `selection.csv` says to use, where the album has one; notes in `reasons` why not the others."""
    files, home = found.files, PurePosixPath(found.home)
    if found.selection not in files:
        return found.photos
    try:
        used, left_out = used_crops(files[found.selection](), path / found.selection)
    except InputError as error:
        raise AlbumError(str(error)) from error
    used = {str(home / crop): name for crop, name in used.items()}
    reasons |= left_out
    reasons |= {name: "its crop is gone: run `gpk prepare` again" for crop, name in used.items() if crop not in files}
    return {crop: files[crop] for crop in used if crop in files}


def _photo(
    content: bytes, mask: Reader | None, name: str, side: int, seen: dict[bytes, str], *, crop: bool
) -> tuple[Tensor, Tensor | None]:
    """One photograph [3, side, side], with its mask [1, side, side] where it has one; notes its pixels in `seen`.

    Raises AlbumError with the reason to leave it out.
    """
    image = decode(content, enough=2 * side if mask is None else None)  # a mask is of the photo's own size
    width, height = image.size
    if min(width, height) < side / 2:
        raise AlbumError(f"too small: {width}x{height}, and a side of {side} wants at least {(side + 1) // 2}")
    if width != height and not crop:
        raise AlbumError(f"not square: {width}x{height}, and a crop would no longer fit its camera label")
    pixels = hashlib.sha256(f"{width}x{height}:".encode() + image.tobytes()).digest()
    twin = seen.setdefault(pixels, name)
    if twin != name:
        raise AlbumError(f"a duplicate: the same picture as {twin}")
    square = min(width, height)
    left, top = (width - square) // 2, (height - square) // 2
    box = (left, top, left + square, top + square)
    picture = tensor(image.resize((side, side), Image.Resampling.LANCZOS, box=box))
    return picture, None if mask is None else read_validity(mask(), image.size, box, side)


def _labels(path: Path, files: Mapping[str, Reader], reasons: dict[str, str]) -> dict[str, Tensor]:
    """Labels [25] of the album's images by name; label files in subfolders speak of images beneath them."""
    label_files = [name for name in files if PurePosixPath(name).name == LABEL_FILE]
    if not label_files:
        raise AlbumError(f"{path} has no {LABEL_FILE}, and this generator needs each photo's camera. {HOW_TO_LABEL}")
    labels: dict[str, Tensor] = {}
    for label_file in label_files:
        try:
            content = files[label_file]()
        except AlbumError as error:
            raise AlbumError(f"{path}: {label_file}: {error}") from error
        home, where = PurePosixPath(label_file).parent, f"{path}: {label_file}"
        entries = {str(home / name): entry for name, entry in parse_labels(content, where).items()}
        meant = photo_of(entries, files)
        # Labels of a whole data set often lie beside a few of its photos: only those present are checked.
        here: dict[str, Tensor] = {}
        for name, photo in meant.items():
            label = label_of(entries[name], name, where)
            if not torch.equal(here.setdefault(photo, label), label):
                raise LabelError(f"{where}: {short(photo)} is labelled twice, and differently")
        labels |= here
        absent = [name for name in entries if name not in meant]
        if absent:
            names = ", ".join(map(short, absent[:3])) + (", ..." if len(absent) > 3 else "")
            hint = near_miss(absent, _unlabelled(files, meant))
            told = f"labels {len(absent)} absent image{'s' * (len(absent) > 1)}: {names}"
            reasons[label_file] = f"{told}. {hint}" if hint else told
            if hint and not meant:
                raise LabelError(f"{where} {reasons[label_file]}")
    return labels


def _unlabelled(files: Mapping[str, Reader], meant: Mapping[str, str]) -> list[str]:
    """The photos that no label means."""
    labelled = set(meant.values())
    return [name for name in files if PurePosixPath(name).suffix.lower() in PHOTOS and name not in labelled]


def _too_few(path: Path, kept: int, minimum: int, reasons: Mapping[str, str]) -> str:
    lines = [f"{short(name, LONGEST)}: {short(reason, LONGEST)}" for name, reason in sorted(reasons.items())]
    more = [f"and {len(lines) - 10} more"] if len(lines) > 10 else []
    usable = (
        f"no photo in {path} can be used"
        if not kept
        else f"{path} has {kept} usable photo{'s' * (kept > 1)}, and {minimum} are needed"
    )
    return "\n  ".join([f"{usable}. Left out:", *lines[:10], *more])
