"""`gpk plugins new`: what it writes, what it refuses, and that what it writes works as it is."""

from __future__ import annotations

import importlib
import itertools
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gpk.errors import RunError
from gpk_checkpoints.atomic import move_into
from gpk_cli.plugin_files import Names, rendered, write_whole

Gpk = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parents[2]
RUFF = Path(sys.executable).with_name("ruff")
ALWAYS = {
    ".github/workflows/test.yml",
    ".gitignore",
    "LICENSE",
    "README.md",
    "gpk_soft_blobs/__init__.py",
    "pyproject.toml",
    "tests/test_contract.py",
}
OWN = {
    "backend": {
        *(f"gpk_soft_blobs/{name}" for name in ("network.py", "checkpoint.py", "album.py", "weights.safetensors")),
        "tests/test_persona.py",
    },
    "detector": {"gpk_soft_blobs/detector.py"},
    "judge": {"gpk_soft_blobs/judge.py"},
    "task": {"gpk_soft_blobs/palette.py"},
}


ALL = [chosen for count in range(1, len(OWN) + 1) for chosen in itertools.combinations(OWN, count)]
"""Every choice of parts."""


@pytest.fixture(autouse=True)
def _somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def install(site: Path, metadata_of: Callable[[Path], None]) -> Callable[[Path], None]:
    """Leaves the package of a repository in `site` as pip would."""

    def written(repository: Path) -> None:
        (package,) = repository.glob("gpk_*")
        package.rename(site / package.name)
        metadata_of(repository / "pyproject.toml")

    return written


@pytest.mark.parametrize(
    "parts", ["backend", "task", "judge", "detector", "backend, task", "backend, detector, judge, task"]
)
def test_it_writes_a_repository(gpk: Gpk, parts: str) -> None:
    done = gpk("plugins", "new", "soft-blobs", "--with", parts)
    assert done.returncode == 0, done.stderr
    here = Path("gpk-soft-blobs")
    assert tree(here) == ALWAYS.union(*(own for part, own in OWN.items() if part in parts))
    assert {Path(line) for line in done.stdout.splitlines()} == {here / path for path in tree(here)}
    following = ["gpk soft-blobs-album album", "gpk personalize album --backend soft-blobs"]
    assert done.stderr.partition("Now:\n\n")[2].splitlines() == [
        "cd gpk-soft-blobs && python -m pip install -e '.[test]' && python -m pytest",
        *(following if "backend" in parts else []),
    ]
    assert (here / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    readme = (here / "README.md").read_text()
    told = {"backend": "-album", "detector": "-brightest", "judge": "-l1", "task": "-palette"}
    assert {part for part, word in told.items() if word in readme} == {part for part in told if part in parts}
    assert sorted(path.name for path in Path().iterdir()) == ["gpk-soft-blobs", "site"]


@pytest.mark.parametrize("name", ["a", "soft-blobs", "as-long-as-a-name-may-be"])
@pytest.mark.parametrize("parts", ALL)
def test_what_it_writes_is_clean(name: str, parts: tuple[str, ...], tmp_path: Path) -> None:
    """By the linter's rules of the repository and by ours, whatever the name's length does to lines."""
    names = Names(name)
    write_whole(tmp_path / "it", rendered(names, parts))
    ours = ",".join(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]["select"])
    kept = "--extend-ignore=D,ANN401,ANN002,N812,S,INP,RUF002"
    for command in (("format", "--check"), ("check",), ("check", f"--select={ours}", kept)):
        done = subprocess.run(
            [RUFF, *command, "--no-cache", "."], cwd=tmp_path / "it", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout
    for path in (tmp_path / "it").rglob("*"):
        if path.suffix == ".py":
            compile(path.read_text(), str(path), "exec")
        if path.is_file() and path.suffix != ".safetensors":
            for word in ("@if ", "@end@", "@name@", "@package@", "@distribution@", "NAME"):
                assert word not in path.read_text() or path.name == "LICENSE", path
    project = tomllib.loads((tmp_path / "it" / "pyproject.toml").read_text())["project"]
    assert (project["name"], project["entry-points"]["gpk"]) == (names.distribution, {name: names.package})


def test_it_answers_a_program(gpk: Gpk) -> None:
    done = gpk("plugins", "new", "soft-blobs", "--out", "some where", "--json")
    told = json.loads(done.stdout)
    assert (told["name"], told["distribution"], told["package"], told["directory"]) == (
        "soft-blobs",
        "gpk-soft-blobs",
        "gpk_soft_blobs",
        "some where",
    )
    assert set(told["files"]) == ALWAYS | OWN["backend"] == tree(Path("some where"))
    assert told["next"][0].startswith("cd 'some where' && ")
    assert not done.stderr


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Soft_Blobs", "'Soft_Blobs' cannot be a plugin's name: .* such as 'soft-blobs'"),
        ("3d", "'3d' cannot be a plugin's name: .* a letter first$"),
        ("soft--blobs", "such as 'soft-blobs'"),
        ("../blobs", "such as 'blobs'"),
        ("blobs\n", "such as 'blobs'"),
        ("é", "a letter first$"),
        ("gpk-blobs", "leave the gpk- out of 'gpk-blobs'"),
        ("b" * 25, "has 25 letters, and people will type it: take at most 24"),
        ("eg3d-minicat", "the plugin 'minicat' of gpk .* has the name 'eg3d-minicat': take another"),
        ("minicat", "has the name 'minicat'"),
        ("arcface", "has the name 'arcface'"),
        ("view", "`gpk view` is a command already: take another name"),
        ("cli", "there is a package gpk_cli here already: take another name"),
    ],
)
def test_names_that_it_refuses(gpk: Gpk, name: str, told: str) -> None:
    done = gpk("plugins", "new", name)
    assert done.returncode == 2
    assert re.search(told, done.stderr.strip()), done.stderr
    assert [path.name for path in Path().iterdir()] == ["site"]


def test_a_part_that_it_does_not_have(gpk: Gpk) -> None:
    done = gpk("plugins", "new", "soft-blobs", "--with", "task,jugde")
    assert (done.returncode, list(Path().glob("gpk-*"))) == (2, [])
    assert "unknown part 'jugde': did you mean 'judge'?" in done.stderr


def test_it_replaces_nothing(gpk: Gpk, tmp_path: Path) -> None:
    Path("full").mkdir()
    Path("full/mine").write_text("mine")
    Path("file").write_text("mine")
    for out, told in (("full", "full is not empty: nothing there is replaced"), ("file", "file is a file: nothing")):
        done = gpk("plugins", "new", "soft-blobs", "--out", out)
        assert done.returncode == 2
        assert told in done.stderr
    assert "cannot write" in gpk("plugins", "new", "soft-blobs", "--out", "file/in").stderr
    assert tree(tmp_path) == {"full/mine", "file"}


def test_it_writes_into_the_empty_folder_that_one_stands_in(
    gpk: Gpk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert gpk("plugins", "new", "soft-blobs", "--out", ".").returncode == 0
    assert tree(Path()) == ALWAYS | OWN["backend"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "site"]


@pytest.mark.parametrize("there", [False, True])
def test_what_fails_halfway_leaves_nothing(tmp_path: Path, there: bool) -> None:
    if there:
        (tmp_path / "it").mkdir()
    with pytest.raises(RunError, match=r"cannot write .*it: .*: give another place"):
        write_whole(tmp_path / "it", {"a": b"", "b/c": b"", "a/d": b""})
    assert sorted(path.name for path in tmp_path.iterdir()) == (["it"] if there else [])
    assert not tree(tmp_path)


def test_a_move_that_fails_halfway_takes_back_what_it_moved(tmp_path: Path) -> None:
    """Here because someone has put something into the folder after it was looked at: theirs stays."""
    for name in ("part/a", "part/b", "it/b/theirs"):
        (tmp_path / name).mkdir(parents=True)
    with pytest.raises(OSError, match="not empty"):
        move_into(tmp_path / "it", tmp_path / "part")
    assert sorted(path.name for path in (tmp_path / "part").iterdir()) == ["a", "b"]
    assert sorted(path.name for path in (tmp_path / "it").rglob("*")) == ["b", "theirs"]


def test_its_plugin_is_well_and_its_album_is_of_a_stranger(gpk: Gpk, install: Callable[[Path], None]) -> None:
    assert gpk("plugins", "new", "soft-blobs", "--with", "backend,task,judge").returncode == 0
    install(Path("gpk-soft-blobs"))
    doctor = gpk("plugins", "--doctor")
    assert doctor.returncode == 0, doctor.stdout
    rows = {row["name"]: row for row in json.loads(gpk("plugins", "--json").stdout)}
    assert rows["soft-blobs"]["offers"] == {
        "backends": ["soft-blobs"],
        "judges": ["soft-blobs-l1"],
        "tasks": ["soft-blobs-palette"],
    }
    again = gpk("plugins", "new", "soft-blobs", "--out", "again")
    assert "has the name 'soft-blobs': take another for yours" in again.stderr
    assert gpk("soft-blobs-album", "album", "--photos", "3").returncode == 0
    assert tree(Path("album")) == {"00.png", "01.png", "02.png"}
    refused = gpk("soft-blobs-album", "album")
    assert (refused.returncode, "album is no empty folder" in refused.stderr) == (2, True)
    checkpoint = importlib.import_module("gpk_soft_blobs.checkpoint")
    stored = load_file(checkpoint.CARD.weights)
    torch.testing.assert_close(stored, dict(checkpoint.tensors()))


@pytest.mark.parametrize("part", ["detector", "judge", "task"])
def test_a_part_alone_is_a_plugin_that_keeps_its_contract(gpk: Gpk, install: Callable[[Path], None], part: str) -> None:
    assert gpk("plugins", "new", "soft-blobs", "--with", part).returncode == 0
    install(Path("gpk-soft-blobs"))
    done = gpk("plugins", "check", "soft-blobs", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    (offered,) = {row["subject"] for row in json.loads(done.stdout)}
    assert offered.startswith("soft-blobs-")


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """The `bin` of an environment with nothing but what wheels bring, and beside it gpk's dependencies from ours."""
    home = tmp_path / "fresh"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    (packages,) = home.glob("lib/python*/site-packages")
    ours = next(path for path in map(Path, sys.path) if path.name == "site-packages")
    # A folder that a .pth names is looked into, and the .pth files in it are not: the editable gpk stays out.
    (packages / "ours.pth").write_text(f"{ours}\n")
    return home / "bin"


@pytest.mark.slow
@pytest.mark.network  # hatchling builds the wheels
@pytest.mark.parametrize("parts", ["backend", "backend,detector,judge,task"])
def test_end_to_end_from_wheels(fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: str) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def run(*command: str | Path) -> str:
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def install_wheel(source: Path) -> None:
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
        run(*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path / source.name, source)
        (wheel,) = (tmp_path / source.name).glob("*.whl")
        run(*pip, "--python", fresh / "python", "install", "--no-deps", "--no-index", wheel)

    source = tmp_path / "gpk"
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, files.split("\0")):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    install_wheel(source)
    (packages,) = fresh.parent.glob("lib/python*/site-packages")
    assert not (packages / "gpk_prior").exists()  # what trains the prior is for a checkout
    for name in ("corekit", "adapters"):  # as distributions of the public index install
        (packages / name).mkdir()
        (packages / name / "__init__.py").touch()
    gpk = fresh / "gpk"
    run(gpk, "plugins", "new", "soft-blobs", "--with", parts, "--out", "repository")
    install_wheel(tmp_path / "repository")

    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    places = "import gpk, gpk_cli, gpk_soft_blobs as own; print(gpk.__file__, gpk_cli.__file__, own.__file__)"
    for place in run(fresh / "python", "-c", places).split():
        assert Path(place).is_relative_to(fresh.parent)
    tested = run(fresh / "python", "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path / "repository/tests")
    assert " passed" in tested
    assert re.match(r"All \d+ plugins are well\.", run(gpk, "plugins", "--doctor"))
    run(gpk, "soft-blobs-album", "album")
    few = ("--steps", "60", "--anchor-steps", "60", "--device", "cpu")
    figures = json.loads(run(gpk, "personalize", "album", "--backend", "soft-blobs", *few, "--json"))["figures"]
    figures = figures["train"]
    assert figures["personalized"]["distance"] < 0.7 * figures["pretrained"]["distance"]
    assert "All checks" in run(RUFF, "check", "--no-cache", tmp_path / "repository")
