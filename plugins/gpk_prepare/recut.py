"""Crops cut anew from the raw photos, by better squares than the finder's; and put back as the finder had them.

    ALBUM/photos/IMG_0001-3fa9c2.png                    the crop by the better square
    ALBUM/.prepare/found/photos/IMG_0001-3fa9c2.png     the crop by the finder's, with its mask beside it as in an album

A better square is what was found on the finder's crops, so whatever looks for squares again begins at those: what an
album becomes does not depend on what it was. A crop is never resampled.

The copy is there before the crop is replaced, and goes after it was put back; a mask is written before its crop, and
put back after it. So a crop that equals its copy has to be cut anew still, wherever the work was stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from gpk.framing import Square
from gpk.logger import Logger
from gpk_checkpoints.atomic import write_atomically
from gpk_photos.contents import Reader
from gpk_photos.crop import cropped
from gpk_photos.decode import decode
from gpk_photos.validity import mask_name, masks_among, write_validity
from gpk_photos.write import write_png
from gpk_prepare.state import HOME

FOUND = f"{HOME}/found"


def cut_anew(
    squares: Mapping[str, tuple[str, Square]],
    files: Mapping[str, Reader],
    out: Path,
    *,
    side: int,
    logger: Logger,
    tick: Callable[[], None],
) -> None:
    """Brings the album's crops up to these squares: by the photo's name its crop's, and where in the photo it is.

    Crops that were cut so already are left alone. `tick` is called after each photo. Raises AlbumError where a photo
    can't be read any more.
    """
    for done, (name, (crop, square)) in enumerate(squares.items(), start=1):
        if _is_as_found(out, crop):
            image = decode(files[name]())
            _keep(out, crop)
            cut = cropped(image, square, side)
            write_validity(out, crop, cut.mask)
            write_png(out / crop, cut.picture)
        logger.progress("cutting anew", done, len(squares), {})
        tick()


def put_back(out: Path) -> None:
    """Makes every crop of the album what the finder's square shows."""
    home = out / FOUND
    names = {file.relative_to(home).as_posix() for file in home.rglob("*.png")}
    for crop in sorted(names - masks_among(names)):
        copy, mask = home / crop, home / mask_name(crop)
        write_atomically(out / crop, [copy.read_bytes()])
        if mask.exists():
            write_atomically(out / mask_name(crop), [mask.read_bytes()])
        else:
            (out / mask_name(crop)).unlink(missing_ok=True)
        copy.unlink()
        mask.unlink(missing_ok=True)


def _is_as_found(out: Path, crop: str) -> bool:
    copy = out / FOUND / crop
    return not copy.exists() or copy.read_bytes() == (out / crop).read_bytes()


def _keep(out: Path, crop: str) -> None:
    """Copies a crop, its mask first."""
    for name in (mask_name(crop), crop):
        if (out / name).exists() and not (out / FOUND / crop).exists():
            write_atomically(out / FOUND / name, [(out / name).read_bytes()])
