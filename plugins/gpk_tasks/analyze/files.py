"""An analysis as files: JSON with everything, CSV with a line for each group and subject, plots.

Ranks are suggested as settings, `recipe: {rank_pattern: {…}}`, which `gpk personalize --config` takes.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gpk.errors import InputError
from gpk.importance import GROUPINGS, SiteChange, gathered
from gpk_checkpoints.atomic import write_atomically
from gpk_runs.plots import Bar, write_bars
from gpk_runs.settings import write_config
from gpk_tasks.analyze.analyze import Studied
from gpk_tasks.analyze.layers import Stats, agreement, effects, groups, suggestion
from gpk_tasks.analyze.settings import Analysis

HEADINGS = (
    "subject", "grouping", "name", "percent", "change", "energy", "numbers", "tuned",
    "effective_rank", "without_distance", "without_id_sim", "alone_distance", "alone_id_sim",
)  # fmt: skip
"""Columns of the CSV: `percent` to `tuned` are an `Importance`'s, those of effects an `Effect`'s."""


def to_json(found: Sequence[Studied], settings: Analysis, groupings: Sequence[str]) -> dict[str, Any]:
    """Everything that was found, in JSON types."""
    ranks = suggestion(found, budget=settings.budget)
    return {
        "norm": settings.norm,
        "subjects": [
            {
                "name": studied.name,
                "sites": {change.site.key: _site(change) for change in studied.changes if change.tuned},
                "trial": None if studied.trial is None else asdict(studied.trial),
            }
            for studied in found
        ],
        "groups": {
            grouping: {name: asdict(group) for name, group in groups(found, grouping).items()} for grouping in groupings
        },
        "effects": {block: asdict(each) for block, each in effects(found).items()},
        "agreement": agreement(found),
        "suggestion": None if ranks is None else ranks._asdict(),
    }


def _site(change: SiteChange) -> dict[str, Any]:
    plain = asdict(change)
    site = plain.pop("site")
    return {
        **{name: site[name] for name in ("kind", "part", "resolution", "gain")},
        **{name: plain[name] for name in ("count", "tuned", "rank", "change", "base", "energy", "spectrum")},
        "effective_rank": change.effective_rank,
    }


def to_csv(found: Sequence[Studied], groupings: Sequence[str]) -> str:
    """A line for each group of each subject, under HEADINGS; what is not known is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADINGS)
    for studied in found:
        for grouping in groupings:
            writer.writerows([line.get(heading) for heading in HEADINGS] for line in _lines(studied, grouping))
    return text.getvalue()


def _lines(studied: Studied, grouping: str) -> Iterator[dict[str, object]]:
    ranks = {change.site.key: change.effective_rank for change in studied.changes}
    for name, each in gathered(studied.changes, GROUPINGS[grouping]).items():
        line: dict[str, object] = {
            "subject": studied.name,
            "grouping": grouping,
            "name": name,
            "percent": each.percent,
            "change": each.change,
            "energy": each.energy,
            "numbers": each.count,
            "tuned": each.tuned,
        }
        if grouping == "site":
            line["effective_rank"] = ranks[name]
        if grouping == "block" and studied.trial is not None and name in studied.trial.without:
            for what, effect in (("without", studied.trial.without[name]), ("alone", studied.trial.alone[name])):
                line |= {f"{what}_distance": effect.distance, f"{what}_id_sim": effect.id_sim}
        yield line


def write_files(
    folder: Path, found: Sequence[Studied], settings: Analysis, groupings: Sequence[str]
) -> tuple[str, ...]:
    """Writes layers.json and layers.csv, and ranks.yaml where ranks are suggested; returns their names."""
    plain = to_json(found, settings, groupings)
    write_atomically(folder / "layers.json", [json.dumps(plain, indent=1).encode()])
    write_atomically(folder / "layers.csv", [to_csv(found, groupings).encode()])
    written = ("layers.json", "layers.csv")
    if plain["suggestion"] is None:
        return written
    write_config(folder / "ranks.yaml", {"recipe": {"rank_pattern": plain["suggestion"]["ranks"]}})
    return (*written, "ranks.yaml")


def write_plot(path: Path, found: Sequence[Studied], *, title: str) -> None:
    """|dW| / |W0| of every block, and beside it what each block does, where that was tried: a PNG, or an SVG.

    Raises ExtraError without matplotlib, InputError where W0 is unknown and so there is nothing to draw.
    """
    blocks = groups(found, "block")
    if all(group.percent is None for group in blocks.values()):
        raise InputError("without the pretrained weights there is no |dW| / |W0| to draw")
    each = [gathered(studied.changes, GROUPINGS["block"]) for studied in found]
    panels = {
        "|ΔW| / |W0|, per cent": [_bar(b, g.percent, [one[b].percent for one in each]) for b, g in blocks.items()]
    }
    done, agree = effects(found), agreement(found)
    for figure, heading in PANELS.items():
        bars = [_bar(block, getattr(effect, figure), ()) for block, effect in done.items()]
        if any(getattr(effect, figure) is not None for effect in done.values()):
            panels[heading] = bars
    told = [f"{PANELS[name]}: Spearman {rho:+.2f} with |ΔW| / |W0|" for name, rho in agree.items() if name in PANELS]
    write_bars(path, panels, title=title, told=told)


PANELS = {"lost_distance": "distance, block taken away", "lost_id_sim": "ID_sim lost, block taken away"}
"""The effects that are drawn."""


def _bar(name: str, over: Stats | None, values: Sequence[float | None]) -> Bar:
    known = [value for value in values if value is not None]
    return Bar(name, 0.0 if over is None else over.mean, 0.0 if over is None else math.sqrt(over.variance), known)
