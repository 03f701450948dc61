"""How a job's answers look: a plan before, an outcome after."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpk_cli.output import print_table, say
from gpk_cli.stdout import print_json
from gpk_runs.humanize import duration

if TYPE_CHECKING:
    from gpk_evaluate.evaluation import Measured
    from gpk_tasks.analyze.analyze import Studied
    from gpk_tasks.analyze.layers import Stats
    from gpk_tasks.analyze.settings import Analysis
    from gpk_tasks.personalize.plan import Plan


def show_outcome(outcome: Mapping[str, Any], out: Path, *, as_json: bool) -> None:
    """Prints what a personalization gave: JSON, or a table and a few plain sentences; on stderr what may be wrong."""
    from gpk_tasks.report.measures import table_of
    from gpk_tasks.report.page import REPORT

    persona, pictures = out / outcome["persona"], [out / picture for picture in outcome["pictures"]]
    report = out / REPORT
    for sentence in outcome["doubts"]:
        say(sentence)
    if as_json:
        plain = {k: v for k, v in outcome.items() if k not in ("event", "time")}
        files = {"persona": str(persona), "pictures": list(map(str, pictures)), "report": str(report)}
        print_json(plain | files)
        return
    headings, *rows = table_of(outcome["figures"])
    print_table(headings, rows, left=2)
    print(
        f"\n{outcome['numbers']:,} numbers learned from {outcome['album']} photos ({outcome['images_seen']:,} looks) "
        f"in {duration(outcome['seconds'])}\n"
        f"Persona   {persona} ({outcome['bytes'] / 1000:,.0f} kB)"
    )
    for picture in pictures:
        print(f"Pictures  {picture}")
    print(f"Report    {report}: open it in a browser")


def show_task(outcome: Mapping[str, Any], out: Path, *, as_json: bool) -> None:
    """Prints what a task found: JSON, or its figures as a table and its files, whose paths are relative to `out`."""
    files = [out / name for name in outcome.get("files", ())]
    pictures = [out / name for name in outcome.get("pictures", ())]
    if as_json:
        print_json(dict(outcome) | {"files": list(map(str, files)), "pictures": list(map(str, pictures))})
        return
    figures: Mapping[str, Mapping[str, float]] = outcome.get("figures", {})
    columns = list(dict.fromkeys(column for row in figures.values() for column in row))
    if columns:
        rows = [[name, *(_figure(row.get(column)) for column in columns)] for name, row in figures.items()]
        print_table(["", *columns], rows, left=2)
        print()
    for path in pictures:
        print(f"Pictures  {path}")
    for path in files:
        print(f"File      {path}")


def show_tables(measured: Sequence[Measured]) -> None:
    """Prints the tables of an evaluation."""
    from gpk_evaluate.table import TITLES, tables

    for table in tables(measured):
        print(TITLES[table.name])
        print_table(table.headings(), table.cells(), left=2)
        print()


def show_layers(found: Sequence[Studied], settings: Analysis, *, grouping: str) -> None:
    """Prints what an analysis found, a line for each group of weights."""
    from gpk_tasks.analyze.layers import FIGURES as EFFECTS
    from gpk_tasks.analyze.layers import agreement, effects, groups, suggestion

    lines, done, agree = groups(found, grouping), effects(found), agreement(found)
    tried = [figure for figure in EFFECTS if any(getattr(effect, figure) is not None for effect in done.values())]
    tried = tried if grouping == "block" else []
    headings = [grouping, "numbers", "tuned", "|dW|/|W0| %", "least", "greatest", "|dW|", "energy %"]
    rows = []
    for name, group in lines.items():
        percent = ["", "", ""] if group.percent is None else [
            _spread(group.percent, 2), f"{group.percent.least:.2f}", f"{group.percent.greatest:.2f}"
        ]  # fmt: skip
        change = "" if group.change is None else f"{group.change.mean:.3g}"
        energy = "" if group.energy is None else f"{100 * group.energy.mean:.1f}"
        effect = [_spread(getattr(done[name], figure), 3) if name in done else "" for figure in tried]
        rows.append([name, f"{group.count:,}", f"{group.tuned:,}", *percent, change, energy, *effect])
    print_table([*headings, *(figure.replace("_", " ") for figure in tried)], rows, left=2)
    told = [f"{name.replace('_', ' ')} {rho:+.2f}" for name, rho in agree.items()]
    if told:
        print(f"\nDoes the size of a change tell what it does? Spearman over blocks: {', '.join(told)}")
    if (ranks := suggestion(found, budget=settings.budget)) is not None:
        told = [f"{block} {rank}" for block, rank in ranks.ranks.items()]
        print(
            f"\nRanks for {settings.budget:.0%} of the LoRA numbers ({ranks.numbers:,}), "
            f"which keep {ranks.kept:.0%} of the value: {', '.join(told)}"
        )


def _spread(over: Stats | None, digits: int) -> str:
    """The mean ± the standard deviation over subjects."""
    if over is None:
        return ""
    spread = f" ± {math.sqrt(over.variance):.{digits}f}" if over.subjects > 1 else ""
    return f"{over.mean:.{digits}f}{spread}"


def _figure(value: float | None) -> str:
    if value is None or isinstance(value, int):
        return "" if value is None else f"{value:,}"
    return f"{value:.2g}" if 0 < abs(value) < 0.01 else f"{value:.3f}"


def show_plan(plan: Plan, *, as_json: bool) -> None:
    """Prints what a personalization would take."""
    if as_json:
        print_json(plan.to_json())
        return
    rows = [
        [r.part, str(r.resolution or "-"), f"{r.sites}", f"{r.generator:,}", f"{r.lora:,}", f"{r.offsets:,}"]
        for r in plan.rows
    ]
    print_table(["part", "resolution", "sites", "generator", "LoRA", "offsets"], rows, left=2)
    inversion = f"{plan.anchor_step_flops / 1e9:,.1f} a step of inversion" if plan.anchor_step_flops else "no inversion"
    anchors = f"{duration(plan.anchor_seconds)} for the anchors" if plan.anchor_step_flops else "none for the anchors"
    print(
        f"\n{plan.backend} ({plan.card}): {plan.tuned:,} numbers to tune of {plan.generator:,}: "
        f"LoRA {plan.lora:,}, offsets {plan.offsets:,}, decoder {plan.decoder:,}\n"
        f"Persona file   {plan.file_bytes / 1000:,.0f} kB for an album of {plan.photos} photos\n"
        f"Arithmetic     {plan.forward_flops / 1e9:,.1f} GFLOP a picture, "
        f"{inversion}, {plan.step_flops / 1e9:,.1f} a step of tuning\n"
        f"Estimates      {plan.memory_bytes / 2**30:,.1f} GiB of memory, {plan.at_once} photos of a step at once "
        f"(--memory); "
        f"{anchors}, {duration(plan.seconds)} in all"
    )
