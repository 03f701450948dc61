"""Photographs on disk: an album from a folder or a zip, camera labels, and pictures written back.

Light: importing this package imports neither torch nor Pillow; each name of the API arrives when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corekit.plugin import hookimpl

if TYPE_CHECKING:
    from corekit.album import Album
    from gpk_photos.album import open_album
    from gpk_photos.decode import read_image
    from gpk_photos.labels import read_labels, write_labels
    from gpk_photos.masks import read_masks
    from gpk_photos.write import write_jpeg, write_png

__all__ = ["open_album", "read_image", "read_labels", "read_masks", "write_jpeg", "write_labels", "write_png"]

gpk_api = 1

_HOME = {
    "open_album": "album",
    "read_image": "decode",
    "read_labels": "labels",
    "read_masks": "masks",
    "write_jpeg": "write",
    "write_labels": "labels",
    "write_png": "write",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attribute is anything
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


# Last in line, so that a path which does not exist for us may still be an address that another plugin knows.
@hookimpl(trylast=True)
def gpk_open_album(path: Path, side: int, cameras: bool) -> Album | None:
    """The album in a folder or a zip; None for any other file. Raises AlbumError where nothing is at `path`."""
    from gpk_photos.album import open_album
    from gpk_photos.contents import is_album

    if path.exists() and not is_album(path):
        return None
    return open_album(path, side=side, cameras=cameras)
