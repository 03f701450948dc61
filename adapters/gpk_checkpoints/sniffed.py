"""What a file is, by how it begins: a checkpoint of one of three formats, or what else. Light: never imports torch."""

from __future__ import annotations

import codecs
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from gpk.errors import InputError, WeightsError
from gpk_checkpoints.archives import ZIP_TROUBLE
from gpk_checkpoints.budget import open_file
from gpk_checkpoints.inert import shown

Container = Literal["safetensors", "pickle", "torch"]
_TORCH_MAGIC = bytes.fromhex("8a0a6cfc9c46f9206aa850192e")
"""What begins a file of torch.save before torch 1.6, after the pickle protocol; since then they are zip files."""
ARRAY = "an array of NumPy (.npy)"
ARRAYS = "arrays of NumPy (.npz): codes perhaps, for --anchors or --codes"
TEXT = "a text"
CONTAINERS: Mapping[Container, str] = {
    "safetensors": "a safetensors file", "pickle": "a pickle", "torch": "a file of torch.save"
}  # fmt: skip
HDF5, MATLAB = "an HDF5 file", "a MATLAB file"
POINTER = "a pointer of Git LFS, and not the file itself: `git lfs pull` gets that"
PICTURE = "a picture"
"""How what is told of every picture begins."""
STARTS: Mapping[bytes, str] = {
    b"\x93NUMPY": ARRAY,
    b"\x89PNG": f"{PICTURE} (PNG)",
    b"\xff\xd8\xff": f"{PICTURE} (JPEG)",
    b"GIF8": f"{PICTURE} (GIF)",
    b"BM": f"{PICTURE} (BMP)",
    b"II*\0": f"{PICTURE} (TIFF)",
    b"MM\0*": f"{PICTURE} (TIFF)",
    b"RIFF": f"{PICTURE} or a film (RIFF, such as WebP)",
    b"\x89HDF": HDF5,
    b"MATLAB 5.0": MATLAB,
    b"\x1f\x8b": "a file packed with gzip: unpack it first, with `gunzip`",
    b"7z\xbc\xaf": "a 7z archive: unpack it first",
    b"%PDF": "a PDF",
    b"\x7fELF": "a program",
    b"<!DO": "a web page: perhaps what a server sent instead of the file",
    b"<htm": "a web page: perhaps what a server sent instead of the file",
    b"version https://git-lfs": POINTER,
}
"""What a file that is no checkpoint begins with."""
EMPTY, NOTHING = UNTOLD = ("an empty file", "nothing that gpk knows")
"""What is told of a file of which nothing can be: perhaps one that was cut short."""
LOOKED_AT = 4096
"""Bytes of a file that are looked at."""
OURS: Mapping[str, str] = {
    "gpk-persona": "a persona of gpk: see `gpk show FILE`",
    "gpk-direction": "a direction of gpk, for --direction",
    "gpk-codes": "codes of gpk, for --codes",
}
"""gpk's own files that are no weights, by the beginning of their format."""


def own_kind(facts: Mapping[str, object]) -> str | None:
    """What a file of gpk's is, by what gpk wrote into it (`facts`), where it is no weights; None for all others."""
    return OURS.get(str(facts.get("format", "")).partition("/")[0])


def container(path: Path) -> Container:
    """What the file at `path` is, by its contents: a plain pickle, what torch.save makes, or else a safetensors file.

    Raises WeightsError where it cannot be read.
    """
    try:
        with open_file(path) as file:
            start = file.read(15)
            size = file.seek(0, 2)
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror}") from error
    # A header of 640 bytes begins like a pickle does; a pickle's begin, read as a length, is beyond any file.
    if begins_safetensors(start) and int.from_bytes(start[:8], "little") <= size:
        return "safetensors"
    if start[:2] == b"PK" or start[2:] == _TORCH_MAGIC:
        return "torch"
    return "pickle" if start[:1] == b"\x80" and b"\x02" <= start[1:2] <= b"\x05" else "safetensors"


def no_checkpoint(file: Path) -> str | None:
    """What a file is that is none of the three formats of checkpoints; None for one that may be."""
    with open_file(file) as opened:
        start = opened.read(LOOKED_AT)
    if not start:
        return EMPTY
    for begin, what in STARTS.items():
        if start.startswith(begin):
            return what
    if start[:2] == b"PK":
        return _zip(file)
    if container(file) == "safetensors" and not begins_safetensors(start):
        return NOTHING if text_of(start) is None else TEXT
    return None


def what_is(file: Path) -> str:
    """What a file is, for whoever wanted another."""
    return no_checkpoint(file) or CONTAINERS[container(file)]


def require_text(file: Path, wanted: str, error: type[InputError] = InputError) -> None:
    """Raises `error` where the file is no text and it is known what else: that, and what is `wanted`."""
    with open_file(file, error) as opened:
        start = opened.read(LOOKED_AT)
    if text_of(start) is None and (what := what_is(file)) != NOTHING:
        raise error(f"{file} is {what}. {wanted}")


def begins_safetensors(start: bytes) -> bool:
    """Whether a file that begins so may be a safetensors file: a text has no zero where its header's length has one."""
    return start[7:9] == b"\0{"


def text_of(start: bytes) -> str | None:
    """The beginning of a file as text, None where it is none."""
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(start)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _zip(file: Path) -> str | None:
    """What a zip holds that torch.save did not write."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (OSError, *ZIP_TROUBLE):
        return None
    if any(name.endswith("/data.pkl") for name in names):
        return None
    kinds = Counter(Path(name).suffix.lower() for name in names if not name.endswith("/")).most_common(3)
    if any(kind == ".npy" for kind, _ in kinds):
        return ARRAYS
    told = ", ".join(f"{count:,} {shown(kind) or 'without suffix'}" for kind, count in kinds) or "nothing"
    return f"a zip of {told}: an album of photos perhaps, for `gpk personalize`"
