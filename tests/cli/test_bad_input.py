"""The answers of docs/bad-input.md, and what no table can show: full disks, poisoned pickles, folders under guard."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from filelock import FileLock

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "bad-input.md"


def table() -> ModuleType:
    """The module beside this one: pytest's importlib mode knows no neighbours."""
    spec = importlib.util.spec_from_file_location("bad_input", HERE / "bad_input.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["bad_input"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


bad = table()
LINES = PAGE.read_text(encoding="utf-8").splitlines() if PAGE.exists() else []


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What every case starts from, made once for all workers of the tests."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "good"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            bad.make_good(folder)
    return folder


@pytest.fixture
def folder(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to spoil, and to work in."""
    copy = tmp_path / "here"
    shutil.copytree(good, copy)
    monkeypatch.chdir(copy)
    return copy


def contents(folder: Path) -> dict[str, str]:
    """The sha256 of every file, by path; a folder counts too."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "a folder"
        for path in folder.rglob("*")
    }


def require_refused(answer: Any) -> None:
    """Exit code 2, nothing on stdout, one message on stderr, no traceback."""
    assert answer.code == 2, answer.told
    assert answer.out == ""
    assert "Traceback" not in answer.told
    assert "unexpected" not in answer.told
    told = re.sub(r"\AUsage: .*\nTry .*\n\n", "", answer.told)
    assert told.startswith("Error: ")
    assert told.count("Error: ") == 1


@pytest.mark.parametrize(
    ("case", "command"),
    [(case, command) for case in bad.CASES for command in case.commands],
    ids=[f"{case.given}: {command.split()[0]}" for case in bad.CASES for command in case.commands],
)
def test_bad_input_is_one_sentence_and_changes_nothing(folder: Path, case: Any, command: str) -> None:
    kept = case.spoil(folder)
    before = contents(folder)
    answer = bad.answer(command)
    require_refused(answer)
    assert case.says in answer.told
    assert contents(folder) == before
    assert case.row(answer.told) in LINES, f"docs/bad-input.md says something else: run {bad.COMMAND}"
    del kept


def test_the_page_has_these_cases_and_no_others() -> None:
    tables = [line for line in LINES if line.startswith("| ")]
    givens = [*(case.given for case in bad.CASES), *(f"beside: {given}" for given in bad.LEFT_OUT)]
    rows = [line for line in tables if line != bad.COLUMNS.splitlines()[0]]
    assert len(rows) == len(givens) == len(set(givens))
    assert PAGE.read_text(encoding="utf-8") == bad.page(dict(zip(givens, rows, strict=True))), f"run {bad.COMMAND}"


def test_bad_photos_beside_good_ones_are_left_out_and_told(folder: Path) -> None:
    rows = bad.left_out(folder)
    assert [line for line in LINES if line in rows.values()] == list(rows.values()), f"run {bad.COMMAND}"
    header = json.loads(bad.answer("show new/eg3d-minicat.persona.safetensors --json").out)
    assert header["album_size"] == 4


# Told by the next step's loss; and, where there is no next step, by the numbers themselves.
@pytest.mark.parametrize("options", ["--lr 1e30", "--lr 1e9 --anchor-steps 0"])
def test_a_descent_that_diverges_keeps_nothing_of_it(folder: Path, options: str) -> None:
    answer = bad.answer(bad.personalize(options)[0])
    assert answer.code == 2
    assert answer.out == ""
    assert re.search(r"^Error: .* diverged: .* Try a lower", answer.told, re.MULTILINE)
    assert not list((folder / "new").glob("*.persona.safetensors"))
    state, _ = bad.read_safetensors(folder / "new/state.safetensors")
    assert all(torch.isfinite(tensor).all() for tensor in state.values())


class Poison:
    """What writes a file when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, ("poisoned", "w")


@pytest.mark.parametrize("name", ["evil.pkl", "evil.pt", "evil.safetensors"])
def test_no_pickle_is_run(folder: Path, name: str) -> None:
    content = {"G_ema": Poison(), "g_ema": Poison()}
    if name == "evil.pt":
        torch.save(content, folder / name)
    else:
        (folder / name).write_bytes(pickle.dumps(content))
    before = contents(folder)
    for command in (
        f"{bad.ALBUM_JOB} --weights {name}",
        f"merge {bad.PERSONA} new.safetensors --weights {name}",
        f"show {name}",
        f"{bad.ALBUM_JOB} --config {name}",
        f"personalize {name} {bad.SHORT} --out new",
    ):
        answer = bad.answer(command)
        require_refused(answer)
        assert name in answer.told
        assert contents(folder) == before
    pickle.loads(pickle.dumps(Poison())).close()
    assert (folder / "poisoned").exists()  # run, it would have


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no folder here that even root cannot write in")
@pytest.mark.parametrize(
    "command",
    [
        f"personalize album {{short}} --out {place}" if verb == "personalize" else f"{verb} {{persona}} {place}"
        for verb in ("personalize", "merge", "export")
        for place in ("/proc/self/new",)
    ]
    + ["minicat album /proc/self/new", "demo --out /proc/self/new"],
)
def test_a_place_where_nothing_can_be_written(folder: Path, command: str) -> None:
    before = contents(folder)
    answer = bad.answer(command.format(short=bad.SHORT, persona=bad.PERSONA))
    require_refused(answer)
    assert "/proc/self/new" in answer.told
    assert re.search(r"give another (--out|place|folder)$", answer.told.strip())
    assert contents(folder) == before


LIMITED = """\
import json, resource, sys
sys.path.insert(0, sys.argv[1])
from bad_input import answer
from pathlib import Path

def contents():
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}

for limit, command in json.loads(sys.argv[2]):
    before = contents()
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    given = answer(command)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    after = contents()
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    print(json.dumps({"code": given.code, "out": given.out, "told": given.told, "changed": changed}))
"""
"""Runs commands in a process that may write no file beyond a size: to a program, a disk that fills up while it writes.

Python ignores SIGXFSZ, so that writing fails with an error, as on a full disk.
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of files' sizes there")
def test_a_disk_that_fills_up_loses_nothing(folder: Path) -> None:
    persona = folder / "half/eg3d-minicat.persona.safetensors"
    persona.write_bytes(b"an old one")
    (folder / "merged.safetensors").write_bytes(b"an old one")
    size = (folder / bad.PERSONA).stat().st_size
    resume = f"personalize album {bad.SHORT} --out half"
    jobs = [
        (1_000_000, f"merge --force {bad.PERSONA} merged.safetensors"),
        (1_000_000, f"export --force --format merged {bad.PERSONA} merged.safetensors"),
        (50_000, f"export {bad.PERSONA} new"),
        (50_000, resume),  # the state is larger
        (size - 1, resume),  # the state fits, the persona does not
        (-1, resume),
    ]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(HERE), json.dumps(jobs)], capture_output=True, text=True, check=True
    )
    merge, merged, export, state, last, finished = map(json.loads, done.stdout.splitlines())
    names = ("merged.safetensors", "merged.safetensors", "new/adapter_model", "half/state", "half/eg3d-minicat.persona")
    for told, name in zip((merge, merged, export, state, last), names, strict=True):
        assert told["code"] == 2, told
        assert told["out"] == ""
        *_, sentence = told["told"].splitlines()
        assert re.fullmatch(rf"Error: cannot write {name}.*: File too large: make room, and run it again", sentence)
    assert [merge["changed"], merged["changed"], export["changed"]] == [[], [], []]
    assert set(state["changed"]) <= {"half/log.jsonl"}
    assert set(last["changed"]) <= {"half/log.jsonl", "half/state.safetensors"}
    assert finished["code"] == 0
    assert persona.read_bytes() == (folder / bad.PERSONA).read_bytes()
    assert not list(folder.rglob("*part"))
