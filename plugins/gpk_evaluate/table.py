"""From what was measured to what is read: a table for each protocol and study, a curve, and contact sheets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from gpk_evaluate.evaluation import Measured, examples_of
from gpk_evaluate.settings import PROTOCOLS, STUDIES
from gpk_runs.plots import write_curves
from gpk_runs.run import Run
from gpk_runs.sheet import write_sheet
from gpk_runs.tables import Spread, markdown, spread
from gpk_tasks.tensors import under

TITLES = {
    "inversion": "Inversion of held-out photos (Table 1; in the hull alone: appendix D)",
    "interpolation": "Interpolation between anchors (Fig. 4)",
    "synthesis": "Synthesis (Table 2)",
    "restoration": "Restoration of held-out photos (Table 3)",
    "editing": "Editing (Table 4)",
    "ranks": "Rank (Table 5)",
    "sizes": "Size of the album (Table 6)",
    "layouts": "Layout of LoRA (Fig. 11)",
}
"""Of the tables; numbers of tables and figures are My3DGen's."""


@dataclass(frozen=True)
class Table:
    """Rows of one protocol or study: what was looked at, which variant, and spreads by figure."""

    name: str
    rows: Mapping[tuple[str, str], Mapping[str, Spread]]

    def headings(self) -> list[str]:
        """The columns' names."""
        return ["", "way", *self._columns()]

    def cells(self) -> list[list[str]]:
        """The lines: means ± standard deviation over subjects."""
        columns = self._columns()
        return [
            [what, variant, *(row[column].spelled(_digits(column)) if column in row else "" for column in columns)]
            for (what, variant), row in self.rows.items()
        ]

    def _columns(self) -> list[str]:
        return list(dict.fromkeys(column for row in self.rows.values() for column in row))


def tables(measured: Sequence[Measured]) -> list[Table]:
    """A table for each protocol that was followed, and for each study."""
    found = []
    for name in (*PROTOCOLS, *STUDIES):
        mine = [m for m in measured if (m.study or m.protocol) == name and (m.study is None) == (name in PROTOCOLS)]
        rows: dict[tuple[str, str], dict[str, list[float | None]]] = {}
        for m in mine:
            for what, figures in m.figures.items():
                place = rows.setdefault((what if m.study is None else f"{m.protocol}, {what}", m.variant), {})
                for column, value in figures.items():
                    place.setdefault(column, []).append(value)
        ordered = sorted(rows, key=lambda key: list(dict.fromkeys(what for what, _ in rows)).index(key[0]))
        if rows:
            spreads = {key: {column: spread(values) for column, values in rows[key].items()} for key in ordered}
            found.append(Table(name, spreads))
    return found


def to_markdown(measured: Sequence[Measured], facts: Mapping[str, Any]) -> str:
    """All tables, by whom they were judged, and what each way cost.

    `facts` has the sha256 of every network's weights by name, in `networks`, and why others are not here, in `absent`.
    """
    subjects = len({m.subject for m in measured})
    parts = [
        f"Means over {subjects} subject{'s' * (subjects > 1)}"
        + (", ± standard deviation.\n" if subjects > 1 else ".\n")
    ]
    parts += [f"## {TITLES[table.name]}\n\n{markdown(table.headings(), table.cells())}" for table in tables(measured)]
    networks = [[name, digest[:16]] for name, digest in facts["networks"].items()]
    networks += [[name, f"not here: {reason}"] for name, reason in facts["absent"].items()]
    parts.append("## Networks that judged\n\n" + markdown(["name", "sha256 of its weights"], networks))
    variants = {m.variant: m for m in measured}
    costs = [[m.variant, f"{m.numbers:,}", f"{m.images_seen:,}"] for m in variants.values()]
    parts.append("## Ways\n\n" + markdown(["way", "numbers", "images seen"], costs))
    return "\n".join(parts)


def to_json(measured: Sequence[Measured], facts: Mapping[str, Any]) -> dict[str, Any]:
    """All of it in JSON types: facts of the evaluation, the summary, and every result."""
    summary = {
        table.name: [
            {"of": what, "way": variant, "figures": {column: _known(each) for column, each in row.items()}}
            for (what, variant), row in table.rows.items()
        ]
        for table in tables(measured)
    }
    return {**facts, "summary": summary, "results": [m.to_json() for m in measured]}


def write_curve(path: Path, measured: Sequence[Measured]) -> bool:
    """Fig. 4: ID_sim from one anchor to the other, a curve for each variant; False where nothing was interpolated.

    Raises ExtraError without matplotlib.
    """
    curves: dict[str, list[tuple[float, float, float]]] = {}
    for variant in dict.fromkeys(m.variant for m in measured):
        mine = [m.curve for m in measured if m.variant == variant and m.curve]
        if mine:
            each = {weight: spread(curve.get(weight) for curve in mine) for weight in mine[0]}
            curves[variant] = [(float(weight), s.mean, s.deviation) for weight, s in each.items()]
    if curves:
        write_curves(path, {"ID_sim": curves}, across="from one anchor to the other", scale="linear")
    return bool(curves)


def write_sheets(run: Run, measured: Sequence[Measured]) -> list[Path]:
    """Writes a contact sheet for each subject and protocol, of what it was made from and a column for each variant, and
    returns their files.
    """
    written = []
    for subject, protocol in dict.fromkeys((m.subject, m.protocol) for m in measured):
        columns: dict[str, Tensor] = {}
        captions: list[str] = []
        for m in measured:
            if (m.subject, m.protocol) != (subject, protocol) or m.study is not None:
                continue
            if (left := examples_of(run, subject, m.variant, protocol)) is not None:
                pictures, captions = left
                columns = {
                    **under("beside.", pictures),
                    **columns,
                    m.variant: pictures["shown"],
                }
        if columns:
            path = run.pictures / f"{subject}, {protocol}.png"
            rows = [list(row) for row in zip(*columns.values(), strict=False)]
            write_sheet(path, rows, columns=list(columns), captions=captions, title=f"{subject} · {protocol}")
            written.append(path)
    return written


def _digits(column: str) -> int:
    return 1 if column.startswith("PSNR") else 3


def _known(each: Spread) -> dict[str, float | None]:
    return {name: None if value != value else value for name, value in each._asdict().items()}
