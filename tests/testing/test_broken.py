"""The tests of the tests: what is broken is caught, by the rule that is meant for it and in words that help."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from corekit.testing import verdicts

HERE = Path(__file__).parent
LINES = (HERE.parents[1] / "docs" / "contract.md").read_text(encoding="utf-8").splitlines()
WRITE = "run: python tests/testing/broken.py > docs/contract.md"


def table() -> ModuleType:
    """The module beside this one: pytest's importlib mode knows no neighbours."""
    spec = importlib.util.spec_from_file_location("broken", HERE / "broken.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["broken"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


broken = table()
RULES = broken.RULES
UNTRIED = {"goes_to_a_gpu"}
"""Rules that need a GPU."""


@pytest.mark.parametrize("kind", RULES)
def test_a_good_one_breaks_no_rule(kind: str) -> None:
    found = list(verdicts(RULES[kind], kind, broken.GOOD[kind]))
    assert [verdict for verdict in found if verdict.verdict == "broken"] == []
    skipped = {verdict.rule for verdict in found if verdict.verdict == "skipped"}
    assert skipped <= {"imports_lightly", "goes_to_a_gpu"}


@pytest.mark.parametrize("kind", broken.ROUNDING)
def test_what_other_kernels_round_otherwise_breaks_no_rule(kind: str) -> None:
    found = list(verdicts(RULES[kind], kind, broken.ROUNDING[kind]))
    assert [verdict for verdict in found if verdict.verdict == "broken"] == []


@pytest.mark.parametrize(
    ("kind", "case"),
    [pytest.param(kind, case, id=f"{case.rule}: {case.fault}") for kind in RULES for case in broken.CASES[kind]],
)
def test_each_fault_is_caught_by_the_rule_that_is_meant_for_it(
    kind: str, case: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(HERE)
    torch.manual_seed(0)  # some faults are that it has a say
    up_to = [rule.name for rule in RULES[kind]].index(case.rule) + 1
    found = [v for v in verdicts(RULES[kind][:up_to], kind, case.specimen) if v.verdict == "broken"]
    assert [(verdict.rule, bool(re.search(case.said, verdict.told))) for verdict in found] == [(case.rule, True)], found
    assert broken.row(case, found[0].told) in LINES, WRITE


@pytest.mark.parametrize("kind", RULES)
def test_no_rule_is_without_a_fault_that_it_catches(kind: str) -> None:
    caught = {case.rule for case in broken.CASES[kind]}
    shared = {"imports_lightly"} if kind != "backend" else set()
    assert caught == {rule.name for rule in RULES[kind]} - UNTRIED - shared


def test_the_page_has_every_rule_and_every_fault() -> None:
    page = "\n".join(LINES)
    assert page.startswith(broken.rules_page()), WRITE
    cases = sum(map(len, broken.CASES.values()))
    told = page.removeprefix(broken.rules_page()).splitlines()
    assert sum(line.startswith("| `") for line in told) == cases, WRITE
