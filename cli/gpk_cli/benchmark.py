"""`gpk bench minicat`: ways of personalizing, compared on individuals about whom everything is known; and `gpk bench
judges`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpk.errors import ExtraError, InputError
from gpk_cli.bench_judges import judges
from gpk_cli.output import AsJson, print_table, say
from gpk_cli.progress import progress
from gpk_cli.stdout import json_of, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpk_bench.benchmark import Result

SUBJECTS, QUICK_SUBJECTS = 5, 2


def gpk_commands(app: typer.Typer) -> None:
    """Adds the group `bench`."""
    group = typer.Typer(name="bench", help="Measure where the truth is known: ways of personalizing, and judges.")
    group.command()(minicat)
    group.command()(judges)
    app.add_typer(group)


def minicat(
    out: Annotated[Path, typer.Option(help="Folder for the results; the same command goes on there.")] = Path("bench"),
    quick: Annotated[bool, typer.Option("--quick", help="Two cats, six photos each, three rows.")] = False,
    rows: Annotated[Path | None, typer.Option(help="Rows of your own: a YAML file, see benchmarks/.")] = None,
    row: Annotated[list[str] | None, typer.Option(help="Only the row of this name; may be given again.")] = None,
    subjects: Annotated[int | None, typer.Option(help="How many cats [default: 5, with --quick 2].")] = None,
    seed: Annotated[int, typer.Option(help="Which cats; the method was tuned on those of seed 1.")] = 0,
    weights: Annotated[Path | None, typer.Option(help="Weights of the prior, instead of the embedded ones.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes [default: one for each core].")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare ways of personalizing on procedural cats, whose every view is known.

    Each cat has an eye patch, odd eyes and a torn ear, which the prior has not; 6 photos are held out. Writes
    results.json, table.md and plots.
    """
    from gpk_bench.benchmark import facts_of, measure
    from gpk_bench.jobs import Place
    from gpk_bench.rows import chosen, read_rows, standard
    from gpk_bench.rows import quick as quick_rows
    from gpk_bench.table import to_json, to_markdown
    from gpk_checkpoints.atomic import write_atomically
    from gpk_runs.run import Run

    count = subjects if subjects is not None else QUICK_SUBJECTS if quick else SUBJECTS
    if count < 1 or (workers is not None and workers < 1):
        raise InputError("a benchmark needs a cat and a worker: --subjects and --workers must be at least 1")
    if quick and rows is not None:
        raise InputError("--quick has rows of its own: leave it out, or --rows")
    compared = chosen(read_rows(rows) if rows is not None else quick_rows() if quick else standard(), row or [])
    cores = os.cpu_count() or 1
    workers = min(workers or cores, cores, count * len(compared))
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    threads = max(1, min(cores // workers, int(allowed) if allowed.isdecimal() else cores))
    place = Place(out, seed, weights, threads=threads)
    facts = facts_of(place)
    with progress() as show, Run.open(out, facts, show=show) as run:
        results = measure(run, place, compared, subjects=count, workers=workers)
        plain = to_json(results, facts | {"subjects": count})
        write_atomically(out / "results.json", [json_of(plain, indent=1).encode()])
        write_atomically(out / "table.md", [to_markdown(results).encode()])
        _plot(out, results)
    if as_json:
        print_json(plain)
    else:
        _show(results)
        say(f"In {out}: table.md, results.json, plots, and the personas.")


def _plot(out: Path, results: Sequence[Result]) -> None:
    from gpk_bench.table import plots

    try:
        plots(out, results)
    except ExtraError as error:
        say(f"No plots: {error}")


def _show(results: Sequence[Result]) -> None:
    from gpk_bench.table import cells, headings

    print_table(headings(), cells(results), left=1)
