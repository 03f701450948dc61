"""`gpk plugins check`: the contract without pytest."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

Gpk = Callable[..., subprocess.CompletedProcess[str]]
Install = Callable[..., None]

DOTS = """
from pathlib import Path
from gpk.plugin import JudgeCard, hookimpl

gpk_api = 1


def load(weights):
    import torch
    from torch import nn

    class Dots(nn.Module):
        def forward(self, a, b):
            return (a - b).abs().mean((1, 2, 3)) + 0.5

    return Dots()


def absent(weights):
    from gpk.errors import ExtraError

    raise ExtraError("get dots.pt from their page")


@hookimpl
def gpk_judges():
    return [
        JudgeCard("dots", "distance", "dots", load=load),
        JudgeCard("far-dots", "distance", "dots that one must fetch", load=absent),
    ]
"""


def test_what_is_broken_is_told_and_ends_with_1(gpk: Gpk, install: Install) -> None:
    install("gpk-dots", DOTS)
    done = gpk("plugins", "check", "gpk-dots")
    assert done.returncode == 1
    rows = [line.split(maxsplit=2) for line in done.stdout.split("\n\n")[0].splitlines()]
    assert ["tells_pictures_apart", "dots", "broken"] in [[word.strip() for word in row] for row in rows]
    said = "equal pictures are 0.52 times as far apart as unlike ones: a distance is 0 there"
    assert f"tells_pictures_apart: dots\n  {said}" in done.stdout
    assert "skipped: get dots.pt from their page" in done.stdout
    assert "1/2 dots" in done.stderr
    assert done.stderr.splitlines()[-1] == "8 ok, 1 broken, 2 skipped."


def test_json_has_all_of_it(gpk: Gpk, install: Install) -> None:
    install("gpk-dots", DOTS)
    done = gpk("plugins", "check", "far-dots", "minicat-distance", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert {row["subject"] for row in rows} == {"far-dots", "minicat-distance"}
    told = {row["rule"]: (row["verdict"], row["told"]) for row in rows if row["subject"] == "far-dots"}
    assert told["loads_frozen"] == ("skipped", "get dots.pt from their page")
    assert {row["verdict"] for row in rows if row["subject"] == "minicat-distance"} == {"ok"}


def test_an_unknown_name_is_the_users_to_mend(gpk: Gpk) -> None:
    done = gpk("plugins", "check", "minicat-identtiy")
    assert done.returncode == 2
    assert (
        "unknown plugin, backend, judge, detector or task 'minicat-identtiy': did you mean 'minicat-identity'?"
        in done.stderr
    )
    assert done.stdout == ""


def test_the_group_by_itself_lists_as_ever(gpk: Gpk) -> None:
    assert json.loads(gpk("plugins", "--json").stdout)[0]["distribution"] == "gpk"
    assert "plugins are well" in gpk("plugins", "--doctor").stdout
