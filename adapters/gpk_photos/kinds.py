"""Which of an album's files are photos of its subject, and in one line what else lies there.

    IMG_1.jpg  browser.jfif  IMG_2           photos: the ending tells, and where it is none that is known here the first
                                             bytes do
    masks/IMG_1.png                          the mask of a photo, by `gpk_photos.validity`
    masks/a.png beside images/a.png, dynamic_mask_a.png, depth/a.png
                                             pictures about photos, of other programs: neither photos nor masks here
    runs/cat/, cat-album/selection.csv       what gpk made: a run's folder, an album that it prepared
    held-out/ beside train/                  photos to judge by, which nothing is learned from

A folder that gpk prepared is an album where it holds all the others; inside another it repeats that one's photos.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from posixpath import basename, commonpath, dirname, join, splitext

from gpk.errors import AlbumError
from gpk_photos.contents import Reader
from gpk_photos.opening import HEIF_BRANDS
from gpk_photos.selection import SELECTION
from gpk_photos.table import short
from gpk_photos.validity import mask_name

Kind = tuple[str, str]
"""What a file is: one of them, and many."""

PHOTOS = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".heic", ".heif", ".pgm", ".ppm"}
)
"""How the names of photographs end that are read here."""
RAW = ("raw to convert to PNG or JPEG", "raws to convert to PNG or JPEG")
OTHER = ("picture to convert to PNG or JPEG", "pictures to convert to PNG or JPEG")
ENDINGS: dict[Kind, str] = {
    RAW: ".dng .cr2 .cr3 .nef .nrw .arw .srw .raf .orf .rw2 .pef .3fr",
    OTHER: ".avif .jxl .jp2 .psd .tga .exr .hdr .svg .pdf .xcf",
    ("film", "films"): ".mov .mp4 .m4v .avi .mkv .webm .3gp .mts .mpg .mpeg .wmv",
    ("text", "texts"): ".txt .md .log .rtf .doc .docx .html .htm .xml .xmp .aae .ini .yaml .yml .py",
}
"""How the names of what else lies among photographs end."""
KINDS = {ending: kind for kind, endings in ENDINGS.items() for ending in endings.split()}
UNKNOWN = ("file of an unknown kind", "files of an unknown kind")
MADE = ("picture that gpk made", "pictures that gpk made")
"""By what it says in its metadata: `gpk_runs.pictures`."""
RUN, PREPARED = ("run's folder", "runs' folders"), ("prepared album", "prepared albums")
JUDGED = ("folder of held-out photos for `--held-out`", "folders of held-out photos for `--held-out`")
FOREIGN = ("mask or depth of another program, not used", "masks or depths of another program, not used")
COMPANIONS = frozenset({".npy", ".npz", ".pt", ".pth", ".safetensors", ".json", ".jsonl", ".csv"})
"""Codes, labels and tables, which belong to photos."""
SHEET = "contact-sheet.png"
"""The picture of all photos of an album that was prepared."""
ABOUT = frozenset({"mask", "masks", "depth", "depths", "normal", "normals"})
"""Folders of pictures about photos, which have these one's names (COLMAP, nerfstudio)."""
DYNAMIC = "dynamic_mask_"
"""How the masks of instant-ngp begin, beside their photos."""
TO_LEARN = frozenset({"train", "training", "raw"})
TO_JUDGE = frozenset({"held-out", "held_out", "heldout", "test", "val", "valid", "validation"})
HEAD = 16
"""Bytes by which a picture is known."""
SHOWN = 3
"""Endings or folders of a kind that are named."""


@dataclass(frozen=True)
class Found:
    """The photos by name, the names of their masks by theirs, and what was passed over, by its kind: each one's ending
    or folder. `files` is everything but the folders passed over, and `home` the folder that holds it all.
    """

    files: Mapping[str, Reader]
    home: str = ""
    photos: Mapping[str, Reader] = field(default_factory=dict)
    masks: Mapping[str, str] = field(default_factory=dict)
    passed_over: dict[Kind, list[str]] = field(default_factory=dict)

    @property
    def selection(self) -> str:
        """The name of the album's selection.csv, whether it has one or not."""
        return join(self.home, SELECTION)

    def pass_over(self, kind: Kind, which: str) -> None:
        """Counts one more."""
        self.passed_over.setdefault(kind, []).append(which)

    def others(self) -> str:
        """What was passed over in a line, empty where nothing was.

        >>> Found({}, passed_over={("film", "films"): [".mov", ".mov", ".mp4"]}).others()
        '3 films (.mov, .mp4)'
        """
        told = []
        for kind, each in self.passed_over.items():
            which = [short(one) for one in dict.fromkeys(each) if one]
            more = ", …" if len(which) > SHOWN else ""
            named = f" ({', '.join(which[:SHOWN])}{more})" if which else ""
            told.append(f"{len(each)} {kind[len(each) > 1]}{named}")
        return ", ".join(told)


def look_through(files: Mapping[str, Reader]) -> Found:
    """What the files of an album are; only of names that tell nothing are the first bytes read."""
    folders = _runs(files)
    files = _outside(files, folders)
    home = commonpath([dirname(name) for name in files]) if files else ""
    inside = _prepared(files, home) | _judged(files, home)
    found = Found(_outside(files, inside), home)
    for folder, kind in sorted((folders | inside).items()):
        found.pass_over(kind, folder)
    pictures = [name for name, read in found.files.items() if _is_picture(name, read, found)]
    about = _about(pictures, home)
    photos = {name: found.files[name] for name in pictures if name not in about}
    own = {name: join(home, mask_name(name[len(home) :].lstrip("/"))) for name in photos}
    masks = {name: mask for name, mask in own.items() if mask in about}
    for name in sorted(about.difference(masks.values())):
        found.pass_over(FOREIGN, f"{DYNAMIC}…" if basename(name).startswith(DYNAMIC) else dirname(name))
    return Found(found.files, home, photos, masks, found.passed_over)


def _runs(files: Mapping[str, Reader]) -> dict[str, Kind]:
    """Folders of runs, which have a log and settings."""
    logs = {dirname(name) for name in files if basename(name) == "log.jsonl"}
    return {folder: RUN for folder in logs if join(folder, "config.yaml") in files}


def _prepared(files: Mapping[str, Reader], home: str) -> dict[str, Kind]:
    """Albums that `gpk prepare` made, but for the one that is looked through."""
    sheets = {dirname(name) for name in files if basename(name) == SHEET} - {home}
    return {folder: PREPARED for folder in sheets if join(folder, SELECTION) in files}


def _judged(files: Iterable[str], home: str) -> dict[str, Kind]:
    """Folders at the top that say by their names that nothing is to be learned from them, beside one that does."""
    start = f"{home}/" if home else ""
    tops = {name[len(start) :].partition("/")[0] for name in files if "/" in name[len(start) :]}
    if not any(top.lower() in TO_LEARN for top in tops):
        return {}
    return {start + top: JUDGED for top in tops if top.lower() in TO_JUDGE}


def _outside(files: Mapping[str, Reader], folders: Iterable[str]) -> Mapping[str, Reader]:
    """The files in none of these folders."""
    starts = tuple(f"{folder}/" if folder else "" for folder in folders)
    return {name: read for name, read in files.items() if not name.startswith(starts)} if starts else files


def _is_picture(name: str, read: Reader, found: Found) -> bool:
    """Whether it is one that is read here; notes what it is where it is nothing of an album."""
    ending = splitext(name)[1].lower()
    if ending in COMPANIONS or basename(name) == SHEET:
        return False
    if ending in PHOTOS or (ending not in KINDS and _begins_a_picture(read)):
        return True
    found.pass_over(KINDS.get(ending, UNKNOWN), ending)
    return False


def _begins_a_picture(read: Reader) -> bool:
    """Whether the first bytes are those of a format that is read here."""
    try:
        head = read(first=HEAD)
    except AlbumError:
        return False
    return (
        head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*"))
        or (head.startswith(b"RIFF") and head[8:12] == b"WEBP")
        or (head.startswith(b"BM") and head[6:10] == bytes(4))
        or (head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS)
    )


def _about(pictures: Iterable[str], home: str) -> set[str]:
    """Those that are about another picture, whose name they have."""
    apart = {name for name in pictures if ABOUT.intersection(dirname(name[len(home) :]).lower().split("/"))}
    apart |= {name for name in pictures if basename(name).startswith(DYNAMIC)}
    others = {basename(name) for name in pictures if name not in apart}
    others |= {splitext(name)[0] for name in others}
    return {name for name in apart if splitext(basename(name).removeprefix(DYNAMIC))[0] in others}
