"""What a third party sees: classes that pytest collects, a test a rule."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from gpk.errors import UnknownNameError
from gpk.registry import Registry
from gpk.testing import BACKEND_RULES, BackendContract, JudgeContract, TaskContract, trials
from gpk.testing.offered import backend_trials

THEIRS = """
import pytest
from gpk.testing import BackendContract, JudgeContract, TaskContract

class TestBackend(BackendContract):
    backend = "stylegan2-minicat"
    test_goes_to_a_gpu = None

class TestJudge(JudgeContract):
    judge = "minicat-distance"

    @pytest.mark.xfail(reason="known", strict=True)
    def test_takes_any_side(self, trial):
        raise AssertionError

class Shared(TaskContract):
    __test__ = False
    backend = "stylegan2-minicat"

class TestTask(Shared):
    task, settings = "synthesize", {"count": 1}
"""


def theirs(tmp_path: Path, source: str, *options: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """What pytest says of a file of tests, called with each of the options in turn, in one process."""
    (tmp_path / "test_theirs.py").write_text(source)
    calls = [["-q", "-p", "no:cacheprovider", *each, str(tmp_path)] for each in options]
    program = f"import sys, pytest; sys.exit(max(pytest.main(call) for call in {calls}))"
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_third_partys_file_has_a_test_for_every_rule(tmp_path: Path) -> None:
    done = theirs(tmp_path, THEIRS, ["--collect-only"], ["-k", "shapes or any_side or can_be_kept"])
    names = [line.rpartition("test_theirs.py::")[2] for line in done.stdout.splitlines() if "::" in line]
    mine = [name for name in names if name.startswith("TestBackend::")]
    rules = [rule.name for rule in BACKEND_RULES if rule.name != "goes_to_a_gpu"]
    assert mine == [f"TestBackend::test_{rule}[stylegan2-minicat/minicat-2d-64]" for rule in rules]
    assert not [name for name in names if "Contract" in name or "Shared" in name]
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout
    assert "1 xfailed" in done.stdout


def test_a_broken_rule_fails_with_its_message_and_one_that_says_nothing_is_skipped(tmp_path: Path) -> None:
    source = """
from dataclasses import replace
from gpk.registry import Registry
from gpk.testing import BackendContract

class TestBackend(BackendContract):
    backend = replace(Registry.discover().backend("stylegan2-minicat"), cameras=True)
"""
    done = theirs(tmp_path, source, ["-rs", "-k", "cameras or matter or lightly"])
    assert done.returncode == 1
    assert "says cameras=True, and orbit() gives None" in done.stdout
    assert "it has only pictures: solid() gives None" in done.stdout
    assert "it was given by itself, not by its name" in done.stdout
    assert "1 failed, 2 skipped" in done.stdout


def test_the_contracts_themselves_are_no_tests() -> None:
    for contract in (BackendContract, JudgeContract, TaskContract):
        assert not contract.__test__


def test_the_kit_needs_no_pytest() -> None:
    code = "import sys, gpk.testing; assert 'pytest' not in sys.modules and 'numpy.testing' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_names_are_answered() -> None:
    registry = Registry.discover(plugins=False)
    with pytest.raises(UnknownNameError, match="unknown card 'minicat-46': did you mean 'minicat-64'"):
        backend_trials(registry, "eg3d-minicat", ("minicat-46",))
    with pytest.raises(UnknownNameError, match="unknown plugin, backend, judge, detector or task 'stilegan2'"):
        trials(registry, ["stilegan2"])
    assert {trial.subject for trial in trials(registry, ["stylegan2", "minicat-identity", "views"])} == {
        "stylegan2/ffhq-1024",
        "minicat-identity",
        "views on eg3d-minicat",
    }
    assert len(backend_trials(registry, "stylegan2", ("ffhq-256", "ffhq-1024"))) == 2
