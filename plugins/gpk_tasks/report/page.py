"""A personalization as one page, `report.html` in its folder. Light: never imports torch.

It is made of the folder alone, and so on another machine too, without generator or photos. Of a run that is not
finished it shows what is there.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from gpk_pages.page import write_page
from gpk_runs.folder import CONFIG
from gpk_runs.humanize import duration, size
from gpk_tasks.report.events import Asked, Done, Inverted, Looks, Photos, Provenance, Tuned
from gpk_tasks.report.figures import highlights_of, layers_of, lines_of, measures_of
from gpk_tasks.report.learning import curves
from gpk_tasks.report.pictures import shown_of
from gpk_tasks.report.record import Record, read_record

REPORT = "report.html"
BUDGET = 14_000_000
"""Characters of all pictures, so that a page is under 15 MB."""
HASH = 16
"""Letters of a sha256 that are shown: enough to compare by eye."""


@dataclass(frozen=True)
class Written:
    """A report that was written: its file and bytes, how many pictures it has, whether the run is finished, and what is
    missing, in sentences.
    """

    file: Path
    bytes: int
    pictures: int
    finished: bool
    missing: tuple[str, ...]


def write_report(directory: Path, out: Path | None = None) -> Written:
    """Replaces the report of the run in `directory`: `out`, or report.html in the folder.

    Raises RunError where the folder is of no personalization, or the file cannot be written.
    """
    record = read_record(directory)
    done = record.last(Done)
    shown = shown_of(record, budget=BUDGET)
    missing = (*shown.missing, *record.left_out)
    measures = measures_of(record)
    name = directory.resolve().name
    context = {
        "name": name,
        "finished": bool(done),
        "lead": _lead(record),
        "notes": [*(done.doubts if done else [_where(record)]), *missing],
        "summary": _summary(record),
        "highlights": highlights_of(record, measures),
        "albums": shown.albums,
        "columns": shown.columns,
        "sheets": shown.sheets,
        "turntable": shown.turntable,
        "kinds": list(measures.values()),
        "lines": lines_of(record, measures),
        "learning": curves(record),
        "layers": layers_of(record),
        "recipe": _recipe(record.asked),
        "environment": record.environment,
        "provenance": _provenance(record),
        "config": (directory / CONFIG).read_text(encoding="utf-8"),
        "command": _command(name, finished=bool(done), given=record.asked.anchors is not None),
    }
    file = directory / REPORT if out is None else out
    count = write_page(file, "report.html.j2", context)
    return Written(file, count, shown.count, bool(done), missing)


def _lead(record: Record) -> str:
    done, looks = record.last(Done), (record.last(Looks) or Looks({})).albums
    photos = len((record.last(Photos) or Photos()).photos) or (done.album if done else 0)
    held_out = len(looks["held-out"].photos) if "held-out" in looks else 0
    title = (record.last(Provenance) or Provenance()).title
    base = f"{_told(record.asked.backend)}{f' ({title})' if title else ''}"
    tried = f", and tried on {held_out} that it never saw" if held_out else ""
    return f"One subject, learned by {base} from {f'{photos} photos' if photos else 'an album'}{tried}."


def _where(record: Record) -> str:
    """How far a run that is not finished has come."""
    tuned, inverted = record.last(Tuned), record.last(Inverted)
    if tuned is not None:
        at = f"tuning had come to step {tuned.step} of {_told(record.asked.tuning.steps)}"
    elif inverted is not None:
        at = f"inversion had come to step {inverted.step} of its photos' batch {inverted.batch + 1}"
    else:
        at = "nothing was measured yet"
    return f"This run is not finished: when this page was made, {at}. The same command goes on from there."


def _summary(record: Record) -> dict[str, str]:
    done, told = record.last(Done), record.last(Provenance) or Provenance()
    facts = {"generator": f"{_told(record.asked.backend)}, card {_told(record.asked.card)}"}
    if done is None:
        return facts
    share = "" if told.numbers is None else f" of the generator's {told.numbers:,}"
    return facts | {
        "learned": f"{done.numbers:,} numbers{share}",
        "file": f"{size(done.bytes)}, {done.persona}",
        "time": f"{duration(done.seconds)}, {done.images_seen:,} looks at {done.album} photos",
    }


def _recipe(asked: Asked) -> dict[str, str]:
    """What people ask about a recipe, in words; config.yaml has all of it."""
    own, tuning = asked.recipe, asked.tuning
    return {
        "rank": f"{_told(own.rank)}, alpha {_told(own.alpha)}",
        "layout": _told(own.layout),
        "parts": ", ".join(f"{part} {treatment}" for part, treatment in own.parts.items()),
        "inversion": _inversion(asked),
        "tuning": f"{_told(tuning.steps)} of {_told(tuning.batch)} photos, rate {_told(tuning.lr)}",
        "seed": _told(asked.seed),
    }


def _inversion(asked: Asked) -> str:
    if asked.anchors is not None:
        return f"none: the anchors were given, in {_told(asked.anchors.space)}"
    return f"{_told(asked.inversion.steps)} steps, in {_told(asked.inversion.space)}"


def _told(setting: object) -> str:
    """A setting, and a question mark where the run's gpk knew none of that name."""
    return "?" if setting is None else str(setting)


def _provenance(record: Record) -> dict[str, str]:
    told, asked = record.last(Provenance) or Provenance(), record.asked
    facts = {
        "base weights": f"sha256 {_told(asked.base)}",
        "licence": told.licence or "not told: see `gpk show` of the persona",
        "album": f"{len((record.last(Photos) or Photos()).photos)} photos, sha256 {_told(asked.album)[:HASH]}…",
        "loss": _told(asked.distance),
    }
    roles = {"reporting": "distance", "identity": "ID_sim"}
    for role, judge in told.judges.items():
        if role in roles:
            facts[f"{roles[role]} by"] = f"{judge.name}, sha256 {judge.sha256[:HASH]}…"
    return facts


def _command(name: str, *, finished: bool, given: bool) -> str:
    """What repeats the run of that name, or goes on with it, beside its folder."""
    config, out = shlex.quote(f"{name}/{CONFIG}"), shlex.quote(f"{name}-again" if finished else name)
    return f"gpk personalize ALBUM{' --anchors ANCHORS' if given else ''} --config {config} --out {out}"
