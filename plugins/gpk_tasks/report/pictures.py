"""The pictures of a report, as a run's folder has them. Light: never imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gpk_pages.embedded import Picture, embed, still, uri
from gpk_tasks.report.events import Looks
from gpk_tasks.report.record import PHOTO, SHEETS, TURNTABLE, Record, look_file

LABELS = {"train": "learned from", "held-out": "held out"}
"""What the albums are called on the page."""
SHEET_SIDES = (1200, 900, 700, 500)
"""Widths of contact sheets that are tried."""
NO_LOOKS = (
    "This run was made before gpk kept a small picture of every photo: its contact sheets are shown instead. "
    "Make it again, with the command at the end, to compare photo by photo."
)


@dataclass(frozen=True)
class Row:
    """A photo: its name, and what is shown of it, URIs by column."""

    name: str
    pictures: Mapping[str, str]


@dataclass(frozen=True)
class Shelf:
    """An album: its name, what it is called, and a row for each photo."""

    name: str
    label: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Shown:
    """What there is to see: albums or, for want of them, contact sheets by label; the turntable, moving and still; and
    what is missing, in sentences.
    """

    albums: tuple[Shelf, ...]
    sheets: Mapping[str, str]
    turntable: Mapping[str, str]
    missing: tuple[str, ...]

    @property
    def columns(self) -> list[str]:
        """The columns of all albums, in their order."""
        return list(dict.fromkeys(column for album in self.albums for row in album.rows for column in row.pictures))

    @property
    def count(self) -> int:
        """How many pictures there are."""
        small = sum(len(row.pictures) for album in self.albums for row in album.rows)
        return small + len(self.sheets) + bool(self.turntable)


def shown_of(record: Record, *, budget: int) -> Shown:
    """The pictures in the run's folder, of no more than `budget` characters together."""
    turntable = _turntable(record)
    room = budget - sum(map(len, turntable.values()))
    looks = (record.last(Looks) or Looks({})).albums
    wanted = {
        (album, index, column): Picture(record.directory / look_file(album, index, column), plain=column == PHOTO)
        for album, look in looks.items()
        for index in range(len(look.photos))
        for column in look.columns
    }
    found = embed(wanted, budget=room)
    if not found:
        sheets = _sheets(record, room)
        return Shown((), sheets, turntable, (NO_LOOKS,) if sheets else ())
    albums = []
    for album, look in looks.items():
        rows = (
            Row(photo, {c: found[album, index, c] for c in look.columns if (album, index, c) in found})
            for index, photo in enumerate(look.photos)
        )
        albums.append(Shelf(album, LABELS.get(album, album), tuple(row for row in rows if row.pictures)))
    lost = len(wanted) - len(found)
    missing = (f"{lost} of the {len(wanted)} small pictures in the run's folder are gone or damaged.",) if lost else ()
    return Shown(tuple(album for album in albums if album.rows), {}, turntable, missing)


def _turntable(record: Record) -> dict[str, str]:
    """The animation and its first frame as URIs; empty where there is none."""
    path = record.directory / TURNTABLE
    first = still(path)
    return {} if first is None else {"moving": uri(path.read_bytes()), "still": first}


def _sheets(record: Record, room: int) -> dict[str, str]:
    return embed(
        {LABELS[album]: Picture(record.directory / path) for album, path in SHEETS.items()},
        budget=room,
        sides=SHEET_SIDES,
    )
