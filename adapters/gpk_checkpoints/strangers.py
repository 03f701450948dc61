"""What a file is that holds no array, told by its first bytes, and the line that makes one of it.

The lines are Python with the usual names (`import numpy as np`), for whoever has the file to run. None of them runs
what a file brings: of a pickle it is only said where its numbers can be had.
"""

from __future__ import annotations

from pathlib import Path

from gpk_checkpoints.array_kinds import LONGEST, quoted, saving
from gpk_checkpoints.budget import open_file
from gpk_checkpoints.inert import shown
from gpk_checkpoints.sniffed import HDF5, LOOKED_AT, MATLAB, PICTURE, no_checkpoint, text_of

CELLS = 16
"""Numbers of a text's row that are looked at: what is looked at may end within a row."""
PICKLED = (
    'is a pickle, which would have to be run to be read: where it was made, `np.save("w.npy", w)` saves the numbers '
    "alone"
)


def what_it_is(path: Path) -> str:
    """What the file at `path` is, and what makes an array of it; the text is to follow the file's name.

    Raises OSError where it cannot be read.
    """
    with open_file(path) as file:
        start = file.read(LOOKED_AT)
    what = no_checkpoint(path)
    if what is None:
        return PICKLED
    if what in (HDF5, MATLAB):
        read = f"h5py.File({quoted(path)})" if what == HDF5 else f"scipy.io.loadmat({quoted(path)})"
        line = saving(path, f'{read}["NAME"]{"[()]" if what == HDF5 else ""}')
        return f"is {what}: {line} converts it"
    if what.startswith(PICTURE):
        return f"is {what}: `gpk run invert --backend NAME --album FOLDER` finds the codes of pictures"
    if what == "a text" and (text := text_of(start)) is not None:
        return _written(text, path)
    return f"is {what}"


def _written(text: str, path: Path) -> str:
    """What a text is."""
    name = quoted(path)
    lines = [line for line in text.splitlines() if line.strip()] or [""]
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
