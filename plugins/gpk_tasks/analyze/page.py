"""An analysis as a page: how much each block has changed, what the changes do, which ranks pay, and the tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gpk_pages.charts import Bar, Chart, bar_chart
from gpk_pages.page import write_page
from gpk_tasks.analyze.analyze import Studied
from gpk_tasks.analyze.layers import FIGURES, Group, Stats, agreement, effects, groups, suggestion
from gpk_tasks.analyze.settings import Analysis

CAPTIONS = {
    "lost_distance": "Distance, where the block's change is taken away",
    "lost_id_sim": "ID_sim lost, where the block's change is taken away",
    "gained_distance": "Distance gained by the block's change alone",
    "gained_id_sim": "ID_sim gained by the block's change alone",
}


class Table(NamedTuple):
    """Headings, and rows of as many cells."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


def write_layers(
    path: Path, found: Sequence[Studied], settings: Analysis, groupings: Sequence[str], *, title: str
) -> None:
    """Replaces the page at `path`, which is one file and loads nothing; raises RunError where it cannot be written."""
    write_page(path, "layers.html.j2", _context(found, settings, groupings, title=title))


def _context(found: Sequence[Studied], settings: Analysis, groupings: Sequence[str], *, title: str) -> dict[str, Any]:
    done = effects(found)
    trial = found[0].trial
    ranks = suggestion(found, budget=settings.budget)
    several = f"{len(found)} subjects: means, and whiskers from the least to the greatest"
    percents = {name: group.percent for name, group in groups(found, "block").items()}
    return {
        "title": title,
        "lead": f"{found[0].name if len(found) == 1 else several}. Norm: {settings.norm}, each weight times its gain.",
        "size": _chart(percents, unit=" %") if found[0].placed else None,
        "absent": "The generator is not here, so there is no |ΔW| / |W0|.",
        "effects": {CAPTIONS[name]: drawn for name in FIGURES if (drawn := _effect(done, name)) is not None},
        "compared": f"ID_sim is to {trial.alike_to}." if trial is not None and trial.alike_to else "",
        "agreement": {name.replace("_", " "): f"{rho:+.2f}" for name, rho in agreement(found).items()},
        "ranks": None if ranks is None else {block: str(rank) for block, rank in ranks.ranks.items()},
        "told_ranks": ""
        if ranks is None
        else f"{settings.budget:.0%} of the LoRA's numbers ({ranks.numbers:,}) keep {ranks.kept:.0%} of the value.",
        "command": "gpk personalize ALBUM --config ranks.yaml",
        "tables": {grouping: _table(grouping, groups(found, grouping)) for grouping in groupings},
    }


def _effect(done: Mapping[str, Any], name: str) -> Chart | None:
    return _chart({block: getattr(effect, name) for block, effect in done.items()})


def _chart(bars: Mapping[str, Stats | None], *, unit: str = "") -> Chart | None:
    """Bars with their least and greatest; None where nothing is known."""
    known = {name: over for name, over in bars.items() if over is not None}
    drawn = [
        Bar(name, over.mean, over.least, over.greatest) if over.subjects > 1 else Bar(name, over.mean)
        for name, over in known.items()
    ]
    return bar_chart(drawn, title="bars", across="", unit=unit) if drawn else None


def _table(grouping: str, lines: Mapping[str, Group]) -> Table:
    rows = [
        [name, f"{group.count:,}", f"{group.tuned:,}", _spread(group.percent), _spread(group.change), _share(group)]
        for name, group in lines.items()
    ]
    return Table([grouping, "numbers", "tuned", "|ΔW| / |W0|, %", "|ΔW|", "energy, %"], rows)


def _spread(over: Stats | None) -> str:
    if over is None:
        return ""
    return f"{over.mean:.3g}" + (f" ± {math.sqrt(over.variance):.2g}" if over.subjects > 1 else "")


def _share(group: Group) -> str:
    return "" if group.energy is None else f"{100 * group.energy.mean:.1f}"
