"""What a file is that holds no array, told by its first bytes, and the line that makes one of it.

The lines are Python with the usual names (`import numpy as np`), for whoever has the file to run. None of them runs
what a file brings: of a pickle it is only said where its numbers can be had.
"""

from __future__ import annotations

import codecs
from pathlib import Path

from gpk_checkpoints.array_kinds import LONGEST, quoted, saving
from gpk_checkpoints.inert import shown

LOOKED_AT = 4096
"""Bytes of a file that are looked at."""
CELLS = 16
"""Numbers of a text's row that are looked at: what is looked at may end within a row."""
PICTURES = {
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}
PICKLED = (
    'is a pickle, which would have to be run to be read: where it was made, `np.save("w.npy", w)` saves the numbers '
    "alone"
)


def told(path: Path) -> str:
    """What the file at `path` is, and what makes an array of it; the text is to follow the file's name.

    Raises OSError where it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(LOOKED_AT)
    name = quoted(path)
    if not start:
        return "is an empty file: copy or download it again"
    if start[:1] == b"\x80" and b"\x02" <= start[1:2] <= b"\x05":
        return PICKLED
    if start.startswith(b"\x89HDF\r\n"):
        line = saving(path, f'h5py.File({name})["NAME"][()]')
        return f"is an HDF5 file: {line} converts it"
    if start.startswith(b"MATLAB 5.0"):
        line = saving(path, f'scipy.io.loadmat({name})["NAME"]')
        return f"is a MATLAB file: {line} converts it"
    if start.startswith(b"\x1f\x8b"):
        return f"is a gzip file: `gunzip {name}` unpacks it"
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return _picture("WebP")
    for magic, kind in PICTURES.items():
        if start.startswith(magic):
            return _picture(kind)
    text = _text(start)
    return "is of no format that is known here: save the array as .npy" if text is None else _written(text, path)


def _picture(kind: str) -> str:
    return f"is a picture ({kind}): `gpk run invert --backend NAME --album FOLDER` finds the codes of pictures"


def _text(start: bytes) -> str | None:
    """The bytes as text, where they are some."""
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(start)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _written(text: str, path: Path) -> str:
    """What a text is."""
    name = quoted(path)
    lines = [line for line in text.splitlines() if line.strip()] or [""]
    if lines[0].startswith("version https://git-lfs"):
        return "is a pointer of Git LFS, and not the file itself: `git lfs pull` gets that"
    if lines[0].lstrip()[:1] in ("{", "["):
        item = '["NAME"]' if lines[0].lstrip()[0] == "{" else ""
        line = saving(path, f'np.array(json.loads(Path({name}).read_text()){item}, "f4")')
        return f"is JSON: {line} converts it"
    rows = [line for line in lines if not line.startswith("#")][:2]
    for place, row in enumerate(rows):
        between = next((mark for mark in (",", ";") if mark in row), None)
        if all(map(_is_number, row.split(between)[:CELLS])):
            headings = text.splitlines().index(row) if place else 0
            options = (f', delimiter="{between}"' if between else "") + (f", skiprows={headings}" if headings else "")
            return f"is a text of numbers: {saving(path, f'np.loadtxt({name}{options})')} converts it"
    begin = shown(lines[0])
    cut = f"{begin[:LONGEST]}…" if len(begin) > LONGEST else begin
    return f"is a text that begins with {cut!r}, and holds no array: get the file itself"


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
