"""Judges of identity, asked about people whom they never saw: which of them knows whom again, and how surely.

Shapes: B photos, F features, R side of a portrait.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gpk.errors import AlbumError
from gpk_bench.people import Home, Portrait, photos_of_people, portraits
from gpk_bench.verification import Pairs, pairs, verification
from gpk_photos.reading import Find
from gpk_runs.plots import write_curves

SIDE = 256
"""Pixels of a side of a portrait: more than a recogniser looks at, as a generator's pictures are."""
Show = Callable[[str, int, int, Mapping[str, float]], None]
"""Is told how far a stage is."""
HEADINGS = {
    "rank1": ("nearest is the same, %", 1, 100),
    "cosine_same": ("cosine, same", 3, 1),
    "cosine_other": ("cosine, other", 3, 1),
    "auc": ("AUC", 4, 1),
    "accepted_1": ("accepted at 1 % false, %", 1, 100),
    "accepted_01": ("accepted at 0.1 % false, %", 1, 100),
    "equal_error": ("equal error, %", 2, 100),
}
"""The figures that the table shows, with their headings, digits and scale."""
FALSE = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
"""Shares of pairs of two people that are taken for one, at which the plot says how many of one are."""


@dataclass(frozen=True)
class Seen:
    """What judges see: by judge the features [B, F] of all photos, whose each is [B], and why others have no part."""

    features: Mapping[str, Tensor]
    who: Tensor
    left_out: Mapping[str, str]

    @property
    def people(self) -> int:
        """How many there are."""
        return len(self.who.unique())


def look(home: Home, judges: Mapping[str, nn.Module], find: Find, device: torch.device, show: Show) -> Seen:
    """What the judges see in the photos of the people at `home`, of whom each has two at least, or no part.

    Raises AlbumError where no two people are left.
    """
    features: dict[str, list[Tensor]] = {name: [] for name in judges}
    seen: list[Portrait] = []
    left_out: dict[str, str] = {}
    with photos_of_people(home) as photos, torch.no_grad():
        for done, each in enumerate(portraits(photos, find, SIDE), 1):
            show("looking", done, len(photos), {})
            if each.picture is None:
                left_out[each.name] = each.trouble
                continue
            seen.append(each._replace(picture=None))
            for name, judge in judges.items():
                features[name].append(judge(each.picture[None].to(device)).cpu())
    photos_of = Counter(each.person for each in seen)
    kept = [place for place, each in enumerate(seen) if photos_of[each.person] > 1]
    left_out |= {each.name: "the only one of its person" for each in seen if photos_of[each.person] == 1}
    people = sorted({seen[place].person for place in kept})
    if len(people) < 2:
        first = "; ".join(f"{name}: {why}" for name, why in [*left_out.items()][:3])
        raise AlbumError(f"{home.path} shows no two people twice each. {len(left_out)} photos are left out: {first}")
    who = torch.tensor([people.index(seen[place].person) for place in kept])
    return Seen({name: torch.cat(rows)[kept] for name, rows in features.items()}, who, left_out)


def figures(features: Tensor, who: Tensor) -> dict[str, float | None]:
    """The figures of one judge's features [B, F], whose people are `who` [B]; None where pairs are too few for one."""
    found, told = pairs(features, who), verification(features, who)
    return {
        **{name: told[name] for name in ("rank1", "cosine_same", "cosine_other", "auc")},
        "accepted_1": _accepted(found, 0.01),
        "accepted_01": _accepted(found, 0.001),
        "equal_error": 1 - told["accuracy"],
        "pairs_same": len(found.alike),
        "pairs_other": len(found.other),
    }


def to_json(seen: Seen, networks: Mapping[str, Mapping[str, str]], facts: Mapping[str, Any]) -> dict[str, Any]:
    """All of it in JSON types: `facts` of the benchmark, and for each judge what `networks` tells of its weights, and
    its figures.
    """
    return {
        **facts,
        "people": seen.people,
        "photos": len(seen.who),
        "left_out": dict(seen.left_out),
        "judges": [
            {"judge": name} | dict(networks[name]) | figures(seen.features[name], seen.who) for name in networks
        ],
    }


def headings() -> list[str]:
    """Of the table's columns."""
    return [
        "judge",
        "weights",
        "sha256",
        "people",
        "photos",
        "pairs same, other",
        *(h for h, _, _ in HEADINGS.values()),
    ]


def cells(found: Mapping[str, Any]) -> list[list[str]]:
    """The table's lines, of what `to_json` gives."""
    return [
        [
            *(row["judge"], row["weights"], row["sha256"][:16], str(found["people"]), str(found["photos"])),
            f"{row['pairs_same']:,}, {row['pairs_other']:,}",
            *("" if row[name] is None else f"{row[name] * scale:.{n}f}" for name, (_, n, scale) in HEADINGS.items()),
        ]
        for row in found["judges"]
    ]


def to_csv(found: Mapping[str, Any]) -> str:
    """The table for programs: every figure in full, a line for each judge."""
    text = io.StringIO()
    rows = [{"people": found["people"], "photos": found["photos"]} | row for row in found["judges"]]
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def plot(path: Path, seen: Seen) -> None:
    """The ROC: how many pairs of one person are accepted where so many of two are. Raises as `write_curves` does."""
    curves = {}
    for name, features in seen.features.items():
        found = pairs(features, seen.who)
        shares = ((falsely, _accepted(found, falsely)) for falsely in FALSE)
        curves[name] = [(falsely, share, 0.0) for falsely, share in shares if share is not None]
    write_curves(path, {"pairs of one person accepted": curves}, across="pairs of two people accepted")


def _accepted(found: Pairs, falsely: float) -> float | None:
    """None where not one pair of two people is that share of them."""
    return found.accepted(falsely) if falsely * len(found.other) >= 1 else None
