"""The command line: streams, exit codes, and what it does with plugins of others."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable

import pytest

Gpk = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., subprocess.Popen[str]]
Install = Callable[..., None]

DOGS = """
    from gpk.plugin import Backend, Card, hookimpl

    gpk_api = 1
    print("hello from dogs")

    @hookimpl
    def gpk_backends():
        return [Backend("dogs", "Dogs [/bold] in 3D.", (Card("pug", "Pug", "CC0"),), build=dict, resolution=64)]

    @hookimpl
    def gpk_commands(app):
        @app.command()
        def bark(how: str = "loud"):
            "Bark."
            {bark}
"""
LIGHT = (["--help"], ["--version"], ["backends"], ["tasks"], ["judges"], ["plugins"], ["plugins", "--json"])


def dogs(bark: str = "print(how)") -> str:
    """The plugin, with what its command does."""
    return DOGS.replace("{bark}", bark)


def test_light_commands_leave_torch_alone() -> None:
    script = (
        f"import sys; from gpk_cli import main; codes = [main(a) for a in {LIGHT}]; "
        "print(codes, {'torch', 'numpy', 'PIL', 'safetensors'} & sys.modules.keys(), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == f"{[0] * len(LIGHT)} set()"


def test_foreign_distribution_is_found_by_a_fresh_process(gpk_process: Start, install: Install) -> None:
    install("gpk-dogs", dogs())
    out, told = (process := gpk_process("bark", "--how", "softly")).communicate(timeout=60)
    assert (process.returncode, out, told) == (0, "softly\n", "hello from dogs\n")


NOISE = """
    import atexit, os, sys, threading
    print("at import")
    os.write(1, b"to the descriptor\\n")
    atexit.register(print, "at exit")
    atexit.register(os.write, 1, b"at exit, to the descriptor\\n")
"""


@pytest.mark.parametrize("arguments", [("backends", "--json"), ("backends",), ("--version",)])
def test_what_a_plugin_prints_is_no_data(gpk_process: Start, install: Install, arguments: tuple[str, ...]) -> None:
    quiet, _ = gpk_process(*arguments).communicate(timeout=60)
    install("gpk-noise", NOISE + "    gpk_api = 1")
    out, told = (process := gpk_process(*arguments)).communicate(timeout=60)
    assert (process.returncode, out) == (0, quiet)
    spoken = ("at import", "to the descriptor", "at exit", "at exit, to the descriptor")
    assert sorted(told.splitlines()) == sorted(spoken)


def test_a_plugin_that_changes_what_all_share_is_named(gpk: Gpk, install: Install) -> None:
    install("gpk-dogs", "import sys; sys.setrecursionlimit(sys.getrecursionlimit() + 1)\n" + "gpk_api = 1")
    told = "'gpk-dogs' of gpk-dogs 1.0 changed the recursion limit for everybody"
    doctor = gpk("plugins", "--doctor")
    assert doctor.returncode == 1
    assert f"Warning: the plugin {told}: it was put back" in doctor.stderr
    assert f"{told}, which was put back\nDo: change it inside of your own calls" in doctor.stdout


def test_an_error_of_its_own_root_without_text_ends_a_command(gpk: Gpk, install: Install) -> None:
    install("gpk-dogs", dogs("raise type('Mute', (BaseException,), {'__str__': lambda error: 1 / 0})"))
    done = gpk("bark")
    assert done.returncode == 1
    assert "an unexpected Mute: an error that cannot tell its own text (ZeroDivisionError)" in done.stderr


def test_broken_foreign_distribution_is_quarantined_in_a_fresh_process(gpk_process: Start, install: Install) -> None:
    install("gpk-dogs", "import no_such_module_at_all")
    out, told = (process := gpk_process("plugins", "--json")).communicate(timeout=60)
    assert (process.returncode, told) == (0, "")
    assert {row["name"]: row["status"] for row in json.loads(out)}["gpk-dogs"] == "quarantined"


def test_version_and_help(gpk: Gpk) -> None:
    assert gpk("--version").stdout == "gpk 0.1.0\n"
    bare, asked = gpk(), gpk("--help")
    assert bare.stdout == asked.stdout == gpk("-h").stdout
    assert (bare.returncode, asked.returncode) == (0, 0)
    assert "backends" in asked.stdout


@pytest.mark.parametrize("kinds", ["backends", "tasks", "judges", "plugins"])
def test_json_is_a_list_of_named_things(gpk: Gpk, kinds: str) -> None:
    done = gpk(kinds, "--json")
    assert done.returncode == 0
    assert all({"name", "distribution"} <= row.keys() for row in json.loads(done.stdout))


def test_foreign_plugin_is_found_listed_and_its_command_runs(gpk: Gpk, install: Install) -> None:
    install("gpk-dogs", dogs())
    rows = {row["name"]: row for row in json.loads(gpk("backends", "--json").stdout)}
    assert rows["dogs"] == {
        "name": "dogs",
        "summary": "Dogs [/bold] in 3D.",
        "resolution": 64,
        "cameras": True,
        "distance": "lpips-alex",
        "judge": None,
        "detector": None,
        "cards": [
            {
                "name": "pug",
                "title": "Pug",
                "licence": "CC0",
                "url": None,
                "sha256": None,
                "page": None,
                "notes": "",
                "embedded": False,
            },
        ],
        "plugin": "gpk-dogs",
        "distribution": "gpk-dogs",
    }
    table = gpk("backends").stdout.splitlines()
    (line,) = [line for line in table if line.startswith("dogs ")]
    assert line.split("  ")[-1].strip() == "gpk-dogs"
    assert "Dogs [/bold] in 3D." in line
    assert "Bark." in gpk("--help").stdout
    assert gpk("bark", "--how", "softly").stdout == "softly\n"


def test_no_plugins_leaves_the_foreign_one_out(gpk: Gpk, install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("gpk-dogs", dogs())
    done = gpk("--no-plugins", "bark")
    assert done.returncode == 2
    assert "Disabled plugins: 'gpk-dogs' of gpk-dogs 1.0" in done.stderr
    assert "No such command 'bark'" in done.stderr
    assert "dogs" not in [row["name"] for row in json.loads(gpk("--no-plugins", "backends", "--json").stdout)]
    monkeypatch.setenv("GPK_DISABLE_PLUGINS", "gpk-dogs")
    rows = json.loads(gpk("plugins", "--json").stdout)
    assert {row["name"]: row["status"] for row in rows}["gpk-dogs"] == "disabled"


@pytest.mark.parametrize(
    "source",
    [
        "import no_such_module_at_all",
        "raise SystemExit(5)",
        dogs("pass").replace("def bark(how: str", "def bark(how: 'NoSuchType'"),
        dogs("pass").replace("@app.command()", "@app.callback()"),
        dogs("pass").replace("def bark", "def backends"),
        dogs("pass").replace("@app.command()", "raise KeyError('bark')"),
        dogs("pass").replace("gpk_api = 1", ""),
    ],
    ids=["import", "exit", "unusable-option", "callback", "taken-name", "raises", "no-api"],
)
def test_broken_plugin_stops_nothing_and_the_doctor_names_it(gpk: Gpk, install: Install, source: str) -> None:
    install("gpk-dogs", source)
    asked = gpk("--help")
    assert asked.returncode == 0
    assert "Bark." not in asked.stdout
    listed = gpk("backends", "--json")
    assert listed.returncode == 0
    assert "dogs" not in [row["name"] for row in json.loads(listed.stdout)]
    (line,) = [line for line in listed.stderr.splitlines() if line.startswith("Quarantined plugins: ")]
    assert "'gpk-dogs' of gpk-dogs 1.0" in line
    assert "(see `gpk plugins --doctor`)" in line
    doctor = gpk("plugins", "--doctor")
    assert doctor.returncode == 1
    assert "'gpk-dogs' of gpk-dogs 1.0 is quarantined: " in doctor.stdout


def test_doctor_shows_the_plugins_own_line(gpk: Gpk, install: Install) -> None:
    install("gpk-dogs", "import no_such_module_at_all  # here")
    assert "import no_such_module_at_all  # here" in gpk("plugins", "--doctor").stdout


def test_doctor_on_slow_duplicate_and_misnamed_plugins(
    gpk: Gpk, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("gpk-dogs", "import time; time.sleep(1.05)\n" + "gpk_api = 1")
    install("gpk-pugs", dogs("pass"))
    install("gpk-hounds", dogs("pass").replace("def bark", "def howl"))
    monkeypatch.setenv("GPK_DISABLE_PLUGINS", "gpk-dgos")
    doctor = gpk("plugins", "--doctor")
    assert doctor.returncode == 1
    assert "'gpk-dogs' of gpk-dogs 1.0 is slow: it takes 1.1 s to load" in doctor.stdout
    assert "names 'gpk-dgos', and no installed plugin is called that; did you mean 'gpk-dogs'?" in doctor.stdout
    assert "the backend 'dogs' is offered by the plugins 'gpk-hounds' of gpk-hounds 1.0 and 'gpk-pugs'" in doctor.stdout
    listed = gpk("backends", "--json")
    assert listed.returncode == 0
    assert "Not listed: the backend 'dogs' is offered by the plugins" in listed.stderr


@pytest.mark.parametrize(
    ("bark", "code", "told"),
    [
        ("from gpk.errors import AlbumError; raise AlbumError('no dogs in it')", 2, "Error: no dogs in it\n"),
        ("from gpk.errors import PluginError; raise PluginError('no bark')", 1, "Error: no bark\n"),
        (
            "1 / 0",
            1,
            "Error: an unexpected ZeroDivisionError: division by zero (`gpk --debug …` shows where)\n",
        ),
        (
            "open('/no/such/file')",
            1,
            "Error: No such file or directory: /no/such/file (`gpk --debug …` shows where)\n",
        ),
        (
            "raise EOFError('short file')",
            1,
            "Error: an unexpected EOFError: short file (`gpk --debug …` shows where)\n",
        ),
        ("raise SystemExit('enough')", 1, "enough\n"),
        ("raise SystemExit(4)", 4, ""),
        ("raise SystemExit", 0, ""),
        ("raise KeyboardInterrupt", 130, "Interrupted.\n"),
        ("raise KeyboardInterrupt('saved at 120 of 600')", 130, "Interrupted: saved at 120 of 600\n"),
        (
            "import os; r, w = os.pipe(); os.close(r); os.write(w, b'x')",
            1,
            "Error: an unexpected BrokenPipeError: [Errno 32] Broken pipe (`gpk --debug …` shows where)\n",
        ),
    ],
)
def test_endings(gpk: Gpk, install: Install, bark: str, code: int, told: str) -> None:
    install("gpk-dogs", dogs(bark).replace('print("hello from dogs")', ""))
    done = gpk("bark")
    assert (done.returncode, done.stderr) == (code, told)
    assert done.stdout.strip() == ""


def test_nowhere_for_temporary_files(gpk: Gpk, install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("gpk-dogs", dogs("import tempfile; tempfile.gettempdir()").replace('print("hello from dogs")', ""))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/no/such/folder"])
    done = gpk("bark")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "Error: nowhere can temporary files be written, which PyTorch does: set TMPDIR to a folder where they can\n"
    )


def test_debug_shows_the_traceback(gpk: Gpk, install: Install) -> None:
    install("gpk-dogs", dogs("1 / 0"))
    done = gpk("--debug", "bark")
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert "gpk_dogs.py" in done.stderr


@pytest.mark.parametrize("arguments", [["backend"], ["--colour"], ["backends", "extra"], ["backends", "--jsno"]])
def test_usage_errors_end_with_2(gpk: Gpk, arguments: list[str]) -> None:
    done = gpk(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Usage: gpk" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a console's Ctrl-C is no signal there")
def test_ctrl_c(gpk_process: Start, install: Install) -> None:
    install("gpk-dogs", dogs("import time; print('ready', flush=True); time.sleep(60)"))
    process = gpk_process("bark")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (130, "hello from dogs\nInterrupted.\n")


@pytest.mark.skipif(sys.platform == "win32", reason="no POSIX pipes there")
@pytest.mark.parametrize("bark", ["print('x' * 100000)", "print('x')"])
def test_reader_that_leaves(gpk_process: Start, install: Install, bark: str) -> None:
    install("gpk-dogs", dogs(f"import time; time.sleep(0.1); {bark}"))
    process = gpk_process("bark")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        told = process.stderr.read()
    assert (process.wait(60), told) == (1, "hello from dogs\n")
