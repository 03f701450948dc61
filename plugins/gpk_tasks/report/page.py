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
    done = record.last("done")
    shown = shown_of(record, budget=BUDGET)
    measures = measures_of(record)
    name = directory.resolve().name
    context = {
        "name": name,
        "finished": bool(done),
        "lead": _lead(record),
        "notes": [*([] if done else [_where(record)]), *shown.missing],
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
        "recipe": _recipe(record),
        "environment": _environment(record),
        "provenance": _provenance(record),
        "config": (directory / CONFIG).read_text(encoding="utf-8"),
        "command": _command(name, finished=bool(done), given="anchors" in record.config),
    }
    file = directory / REPORT if out is None else out
    count = write_page(file, "report.html.j2", context)
    return Written(file, count, shown.count, bool(done), shown.missing)


def _lead(record: Record) -> str:
    photos = len(record.last("album").get("photos", ())) or record.last("done").get("album")
    held_out = len(record.last("looks").get("albums", {}).get("held-out", {}).get("photos", ()))
    title = record.last("provenance").get("title", "")
    base = f"{record.config.get('backend')}{f' ({title})' if title else ''}"
    tried = f", and tried on {held_out} that it never saw" if held_out else ""
    return f"One subject, learned by {base} from {f'{photos} photos' if photos else 'an album'}{tried}."


def _where(record: Record) -> str:
    """How far a run that is not finished has come."""
    tuned, inverted = record.last("tune"), record.last("invert")
    total = _setting(record, "tuning", "steps")
    if tuned:
        at = f"tuning had come to step {tuned.get('step')} of {total}"
    elif inverted:
        at = f"inversion had come to step {inverted.get('step')} of its photos' batch {inverted.get('batch', 0) + 1}"
    else:
        at = "nothing was measured yet"
    return f"This run is not finished: when this page was made, {at}. The same command goes on from there."


def _summary(record: Record) -> dict[str, str]:
    done, told = record.last("done"), record.last("provenance")
    facts = {"generator": f"{record.config.get('backend')}, card {record.config.get('card')}"}
    if not done:
        return facts
    share = f" of the generator's {told['numbers']:,}" if "numbers" in told else ""
    return facts | {
        "learned": f"{done['numbers']:,} numbers{share}",
        "file": f"{size(done['bytes'])}, {done['persona']}",
        "time": f"{duration(done['seconds'])}, {done['images_seen']:,} looks at {done['album']} photos",
    }


def _recipe(record: Record) -> dict[str, str]:
    """What people ask about a recipe, in words; config.yaml has all of it."""
    own = record.config.get("recipe", {})
    parts = ", ".join(f"{part} {treatment}" for part, treatment in own.get("parts", {}).items())
    steps = f"{_setting(record, 'tuning', 'steps')} of {_setting(record, 'tuning', 'batch')} photos"
    return {
        "rank": f"{own.get('rank')}, alpha {own.get('alpha')}",
        "layout": str(own.get("layout")),
        "parts": parts,
        "inversion": _inversion(record),
        "tuning": f"{steps}, rate {_setting(record, 'tuning', 'lr')}",
        "seed": str(record.config.get("seed")),
    }


def _inversion(record: Record) -> str:
    if "anchors" in record.config:
        return f"none: the anchors were given, in {_setting(record, 'anchors', 'space')}"
    return f"{_setting(record, 'inversion', 'steps')} steps, in {_setting(record, 'inversion', 'space')}"


def _setting(record: Record, section: str, key: str) -> object:
    return record.config.get(section, {}).get(key, "?")


def _environment(record: Record) -> dict[str, str]:
    known = {name: str(value) for name, value in record.environment.items() if name != "resumed_on" and value}
    resumed = len(record.environment.get("resumed_on", ()))
    return known | ({"went on": f"on {resumed} other machine{'s' * (resumed > 1)} or version"} if resumed else {})


def _provenance(record: Record) -> dict[str, str]:
    told, config = record.last("provenance"), record.config
    licence = told.get("licence") or "not told: see `gpk show` of the persona"
    facts = {
        "base weights": f"sha256 {config.get('base')}",
        "licence": licence,
        "album": f"{len(record.last('album').get('photos', ()))} photos, sha256 {str(config.get('album'))[:HASH]}…",
        "loss": f"{config.get('distance', '?')}",
    }
    roles = {"reporting": "distance", "identity": "ID_sim"}
    for role, judge in told.get("judges", {}).items():
        if role in roles:
            facts[f"{roles[role]} by"] = f"{judge['name']}, sha256 {judge['sha256'][:HASH]}…"
    return facts


def _command(name: str, *, finished: bool, given: bool) -> str:
    """What repeats the run of that name, or goes on with it, beside its folder."""
    config, out = shlex.quote(f"{name}/{CONFIG}"), shlex.quote(f"{name}-again" if finished else name)
    return f"gpk personalize ALBUM{' --anchors ANCHORS' if given else ''} --config {config} --out {out}"
