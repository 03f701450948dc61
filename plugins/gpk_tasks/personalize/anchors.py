"""Anchors that another tool found, instead of inversion: a code for each photo of the album, from a file or a folder.

    FOLDER/img00000000_latent.npy       the code of img00000000.png, as My3DGen's albums have it; or img00000000.npy
    FILE                                as many codes as photos, in the order of their names

A folder may be the album's own. Codes whose rows are all the same are of W, as pivotal tuning keeps them: they become
[N, D], and so the persona that inversion's own would be; others are of W+.

Shapes: N photos, L latent layers, D latent width.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import torch
from torch import Tensor

from gpk.context import Context
from gpk.errors import InputError
from gpk.generator import LatentSpace
from gpk.latents import anchors_as_ws
from gpk.plugin import Backend
from gpk_photos.album import OTHERS
from gpk_photos.contents import album_files
from gpk_photos.labels import LABEL_FILE
from gpk_tasks.codes import codes_in

SUFFIXES = (".npy", ".npz", ".pt", ".pth", ".safetensors")
"""What the names of files of codes end in."""
MARK = "_latent"
"""What may stand between a photo's name and the ending."""
SHOWN = 4
"""Names in a message before it counts."""


class Given(NamedTuple):
    """Anchors [N, D] of W or [N, L, D] of W+ in the album's order, and files of codes that no photo has."""

    anchors: Tensor
    unused: tuple[str, ...] = ()

    def to_json(self) -> dict[str, str]:
        """What tells whether they are the same, in JSON types: for a run's config."""
        numbers = self.anchors.detach().cpu().float().contiguous()
        digest = hashlib.sha256(f"{list(numbers.shape)}".encode() + numbers.numpy().tobytes())
        return {"sha256": digest.hexdigest(), "space": "w" if numbers.ndim == 2 else "w+"}


def given_anchors(context: Context, source: Path) -> Given:
    """The anchors at `source` of the context's album, on the generator's device.

    Raises InputError where a photo has none or more than one, where a file's are not as many as the photos or photos
    were left out, so that nobody knows whose they are, and where they are not for this generator.
    """
    album, latent = context.album, context.generator.latent
    if source.is_dir():
        files, unused = _matched(source, album.names)
        codes = gathered(context.backend, latent, files)
    else:
        codes, unused = codes_in(context.backend, latent, source, many=True), ()
        left_out = [name for name, _ in album.left_out if PurePosixPath(name).name not in (OTHERS, LABEL_FILE)]
        if left_out or len(codes) != len(album):
            without = f" and {len(left_out)} left out ({listed(left_out)})" if left_out else ""
            raise InputError(
                f"{source} holds {len(codes)} codes, and of the album {len(album)} photos are used{without}: whose "
                f"they are is not told. Give a folder with a file for each photo, such as {_wanted(album.names[0])[0]}"
            )
    return Given(plain(codes).to(next(context.generator.parameters())), unused)


def anchors_at(backend: Backend, latent: LatentSpace, source: Path) -> Tensor:
    """All anchors at `source`, whosever they are: for a plan, which knows no photos. Raises as `given_anchors` does."""
    if not source.is_dir():
        return plain(codes_in(backend, latent, source, many=True))
    files = {name: source / name for name in code_files(source)}
    if not files:
        raise InputError(f"{source} holds no codes: files {', '.join(SUFFIXES)} are looked for")
    return plain(gathered(backend, latent, files))


def listed(names: Sequence[str]) -> str:
    """Names in a message, few of them."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def plain(codes: Tensor) -> Tensor:
    """The codes [N, D] where all layers of each are the same, else [N, L, D]."""
    same = codes.ndim == 3 and bool((codes == codes[:, :1]).all())
    return codes[:, 0].contiguous() if same else codes.contiguous()


def gathered(backend: Backend, latent: LatentSpace, files: Mapping[str, Path]) -> Tensor:
    """The one code of each file, together [N, L, D]; raises InputError where a file has more, or none for `latent`."""
    codes = [codes_in(backend, latent, file) for file in files.values()]
    for file, code in zip(files.values(), codes, strict=True):
        if len(code) != 1:
            raise InputError(f"{file} holds {len(code)} codes, where a photo has one: save that alone")
    return torch.cat([anchors_as_ws(code, latent.num_ws) for code in codes])


def _matched(folder: Path, photos: Sequence[str]) -> tuple[dict[str, Path], tuple[str, ...]]:
    """The file of each photo's code, and the files of codes that no photo has.

    A photo in a folder within the album may have its code in the same folder or at the top, where no other photo is
    called so.
    """
    there = code_files(folder)
    names = [PurePosixPath(photo).name for photo in photos]
    found: dict[str, Path] = {}
    missing: list[str] = []
    for photo, name in zip(photos, names, strict=True):
        alone = [PurePosixPath(other).stem for other in names].count(PurePosixPath(name).stem) == 1
        looked_for = dict.fromkeys([*_wanted(photo), *(_wanted(name) if alone else [])])
        own = [file for file in looked_for if file in there]
        if len(own) > 1:
            raise InputError(f"{folder} holds {' and '.join(own[:2])}, both for {photo}: which is it? Take one away")
        if own:
            found[photo] = folder / own[0]
        else:
            missing.append(photo)
    if missing:
        raise InputError(
            f"{folder} holds no code of {len(missing)} of the {len(photos)} photos: {listed(missing)}. A photo's code "
            f"is looked for as {_wanted(missing[0])[0]} and the like ({', '.join(SUFFIXES)}; {MARK} may be missing)"
        )
    if len(set(found.values())) < len(found):
        raise InputError(f"{folder} holds one code for two photos whose names differ in the ending alone: rename one")
    used = {file.relative_to(folder).as_posix() for file in found.values()}
    return found, tuple(name for name in there if name not in used)


def code_files(folder: Path) -> list[str]:
    """The names of files in `folder`, and in those within, that may hold codes."""
    with album_files(folder) as files:
        return [name for name in files if PurePosixPath(name).suffix in SUFFIXES]


def _wanted(photo: str) -> list[str]:
    """What the file of a photo's code may be called."""
    stem = str(PurePosixPath(photo).with_suffix(""))
    return [f"{stem}{mark}{suffix}" for mark in (MARK, "") for suffix in SUFFIXES]
