"""What is printed: every letter in every encoding, JSON that stays JSON, and what becomes of a stdout that is full."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gpk_cli.output import LETTERS, LINES, bounded, print_table, say
from gpk_cli.stdout import print_json

ENCODINGS = ("ascii", "latin-1", "cp1252", "utf-8")
PROGRAM = "import sys; from gpk_cli import main; sys.exit(main())"


def gpk(*arguments: str, encoding: str = "utf-8", **streams: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env=os.environ | {"PYTHONIOENCODING": encoding},
        check=False,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},
    )


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("command", ["show", "--help", "backends", "doctor"])
def test_every_encoding_can_print_everything(cat: Any, encoding: str, command: str) -> None:
    whole = {"show": ["show", str(cat.run)], "doctor": ["plugins", "--doctor"]}.get(command, [command])
    done = gpk(*whole, encoding=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode("utf-8" if command == "--help" else encoding)  # click has ASCII as UTF-8
    if command == "show":
        shown = {"utf-8": "…", "cp1252": "…"}.get(encoding, "\\u2026")
        assert f"weights 3a74b6e31a26{shown}" in text


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_json_stays_json_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "Möwe·…\udcff.bin"
    file.write_bytes(b"nothing")
    done = gpk("weights", "explain", str(file), "--json", encoding=encoding)
    assert done.returncode == 0, done.stderr
    assert "Möwe·…" in json.dumps(json.loads(done.stdout.decode(encoding)), ensure_ascii=False)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_messages_are_told_in_every_encoding(encoding: str) -> None:
    done = gpk("show", "Möwe…\udcff\x1b[31m", encoding=encoding)
    assert done.returncode == 2
    assert done.stdout == b""
    assert "\\udcff\\x1b[31m" in done.stderr.decode(encoding)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device here that is full")
@pytest.mark.parametrize("command", [("backends",), ("backends", "--json"), ("--help",), ("personalize", "--help")])
def test_a_full_disk_behind_stdout_is_a_sentence(command: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = gpk(*command, stdout=full)
    assert done.returncode == 2
    assert done.stderr.decode() == (
        "Error: nothing more can be printed on stdout: No space left on device: make room, or give it another place\n"
    )


@pytest.mark.skipif(os.name != "posix", reason="a shell closes it")
@pytest.mark.parametrize("command", ["backends", "--version"])
def test_a_closed_stdout_is_a_sentence(command: str) -> None:
    done = subprocess.run(
        ["sh", "-c", '"$0" -c "$1" "$2" >&-', sys.executable, PROGRAM, command], capture_output=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith(b"Error: nothing more can be printed on stdout: Bad file descriptor: ")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.skipif(os.name != "posix", reason="a shell closes it")
def test_a_closed_stderr_leaves_stdout_to_the_data(tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", '"$0" -c "$1" show "$2" 2>&-', sys.executable, PROGRAM, str(tmp_path / "none")],
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, b"")


def test_what_is_no_number_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": [float("nan"), (float("inf"), 1.5)], "b": {"c": -float("inf")}, "d": True})
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == {
        "a": [None, [None, 1.5]],
        "b": {"c": None},
        "d": True,
    }


def test_a_table_shows_what_a_file_says_and_does_nothing_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["[b]name", "x"], [["[/red]", "\x1b[31m[link=a]"]], left=2)
    assert capsys.readouterr().out.split() == ["[b]name", "x", "[/red]", "\\x1b[31m[link=a]"]


def test_no_message_has_to_be_scrolled_through(capsys: pytest.CaptureFixture[str]) -> None:
    say("\n".join(["Error: " + "x" * 10**5 + ": give another --out", *["y" * 700] * 500]))
    first, *others = capsys.readouterr().err.splitlines()
    assert len(others) == LINES
    assert max(map(len, [first, *others])) <= LETTERS
    assert first.startswith("Error: xxx")
    assert first.endswith(": give another --out")
    assert others[-1] == f"… ({501 - LINES} more lines)"
    assert bounded("a\nb") == "a\nb"
    assert bounded("x" * LETTERS) == "x" * LETTERS
