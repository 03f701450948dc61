"""What a personalization gives; in a notebook it displays itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from gpk.persona import Persona
from gpk_checkpoints.personas import load_persona
from gpk_pages.embedded import Picture, embed
from gpk_tasks.report.measures import table_of
from gpk_tasks.report.report import Figures

SHEETS = 4_000_000
"""Characters that the contact sheets may take in a notebook, which keeps them in its file."""


@dataclass(frozen=True)
class Outcome:
    """The persona and its file, figures by (photos, generator), contact sheets, the seconds spent, and sentences on
    what may have gone wrong.
    """

    persona: Persona
    file: Path
    figures: Figures
    pictures: tuple[Path, ...]
    seconds: float
    doubts: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types, paths relative to the run's folder."""
        return {
            "persona": self.file.name,
            "bytes": self.file.stat().st_size,
            "numbers": self.persona.numbers,
            "album": self.persona.origin.album_size,
            "images_seen": self.persona.origin.images_seen,
            "seconds": round(self.seconds, 1),
            "figures": self.figures,
            "pictures": [f"pictures/{picture.name}" for picture in self.pictures],
            "doubts": list(self.doubts),
        }

    @staticmethod
    def from_json(directory: Path, plain: Mapping[str, Any]) -> Outcome:
        """The outcome of the run in `directory`, of what `to_json` gave; PersonaError where its file is no persona."""
        file = directory / plain["persona"]
        pictures = tuple(directory / picture for picture in plain["pictures"])
        return Outcome(load_persona(file), file, plain["figures"], pictures, plain["seconds"], tuple(plain["doubts"]))

    def _repr_html_(self) -> str:
        """For a notebook: what is doubted, the figures, then the contact sheets that are still there."""
        head, *lines = [[escape(cell) for cell in row] for row in table_of(self.figures)]
        table = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in line)}</tr>" for line in lines)
        sheets = embed({picture.stem: Picture(picture) for picture in self.pictures}, budget=SHEETS)
        images = "".join(f'<img src="{uri}" alt="{escape(name)}">' for name, uri in sheets.items())
        headings = "".join(f"<th>{cell}</th>" for cell in head)
        doubts = "".join(f"<p>{escape(sentence)}</p>" for sentence in self.doubts)
        return f"{doubts}<table><tr>{headings}</tr>{table}</table><p>{escape(str(self.file))}</p>{images}"
