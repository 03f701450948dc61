"""Every way in which a plugin can ail, what the doctor calls it, and what it says to do."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from subprocess import CompletedProcess

import pluggy
import pytest

from gpk.plugin import API_VERSIONS, GpkDeprecationWarning, Hooks
from gpk.quarantine import Guest

Gpk = Callable[..., CompletedProcess[str]]
Install = Callable[..., None]

HOOK = """
import gpk.plugin as p
gpk_api = 1
@p.hookimpl
def {hook}:
    {does}
"""


def hook(signature: str, does: str) -> str:
    return HOOK.format(hook=signature, does=does)


AILING = {
    "lacks-a-package": (
        "import no_such_package_at_all.deeper",
        r"ModuleNotFoundError: No module named 'no_such_package_at_all'\n"
        r"Do: pip install no-such-package-at-all \(or whatever brings the module no_such_package_at_all: gpk-dogs does "
        r"not say\); \S+gpk_dogs\.py:1 imports it\n",
    ),
    "lacks-what-it-requires": ("import wolves", r"Do: pip install Wolves, which gpk-dogs requires; \S+gpk_dogs\.py:1"),
    "lacks-an-extra": (
        "import foxes",
        r"Do: pip install 'gpk-dogs\[wild\]', the extra that has foxes; \S+\.py:1 imports",
    ),
    "lacks-a-part": (
        "import gpk.of_tomorrow",
        r"Do: gpk is installed and has no gpk\.of_tomorrow: another version of it is wanted; \S+\.py:1 imports",
    ),
    "lacks-a-name": (
        "\nfrom gpk.plugin import Tomorrow",
        r"ImportError: cannot import name 'Tomorrow' .*\nDo: mend \S+gpk_dogs\.py:2, or update gpk-dogs: an older one",
    ),
    "syntax": ("x = 1\ndef", r"SyntaxError: .*\nDo: mend \S+gpk_dogs\.py:2, or update gpk-dogs"),
    "raises": ("\n\n1 / 0", r"importing it raised ZeroDivisionError: .*\nDo: mend \S+gpk_dogs\.py:3"),
    "no-api": (
        "x = 1",
        r"it states no gpk_api; .*\nDo: write `gpk_api = 1` at the top of gpk_dogs, or tell its authors \(",
    ),
    "odd-api": ("gpk_api = '1'", r"no whole number\nDo: write `gpk_api = 1` at the top of gpk_dogs"),
    "newer-api": (
        "gpk_api = 99",
        r"hook API 99 and this gpk has 1: update gpk\nDo: pip install --upgrade gpk, or install an",
    ),
    "older-api": (
        "gpk_api = 0",
        r"hook API 0 and this gpk has 1: .*\nDo: pip install --upgrade gpk-dogs; docs/stability",
    ),
    "unknown-hook": (
        hook("gpk_backend()", "return []"),
        r"unknown hook 'gpk_backend': did you mean 'gpk_backends'\?.*\nDo: correct the name; .* @hookimpl\(optional",
    ),
    "unknown-argument": (
        hook("gpk_tasks(context)", "return []"),
        r"are declared in the hookimpl .*\nDo: take only the arguments that the hook has \(docs/plugins\.md\), in ",
    ),
    "hook-raises": (
        hook("gpk_tasks()", "return {}['bark']"),
        r"gpk_tasks raised KeyError: 'bark'\nDo: mend \S+gpk_dogs\.py:6, or tell its authors \(https://dogs\.example",
    ),
    "nonsense": (
        hook("gpk_tasks()", "return 7"),
        r"gpk_tasks returned a int, .*\nDo: return from gpk_tasks what it promises \(docs/plugins\.md\), or tell its ",
    ),
    "taken-command": (
        hook("gpk_commands(app)", "app.command(name='show')(lambda: None); app.command(name='bark')(lambda: None)"),
        r"gpk_commands adds what gpk or another plugin has already: show\nDo: rename its command: those of gpk",
    ),
    "imports-torch": (
        "import torch\ngpk_api = 1",
        r"'gpk-dogs' of gpk-dogs 1\.0 imports torch when it is imported itself, .*\nDo: import torch, .* inside the",
    ),
}
"""A plugin's source, and a pattern of what the doctor says."""


@pytest.fixture
def dogs(install: Install, site: Path) -> Callable[[str], None]:
    """Installs the plugin, of a distribution that tells what it requires and where it lives."""

    def written(source: str) -> None:
        install("gpk-dogs", source)
        with (site / "gpk_dogs-1.0.dist-info" / "METADATA").open("a") as file:
            file.write("Requires-Dist: Wolves (>=2)\nProvides-Extra: wild\nRequires-Dist: foxes; extra == 'wild'\n")
            file.write("Project-URL: Home, https://dogs.example\n")

    return written


@pytest.mark.parametrize("ailment", AILING)
def test_what_ails_it_and_what_to_do(gpk: Gpk, dogs: Callable[[str], None], site: Path, ailment: str) -> None:
    source, told = AILING[ailment]
    dogs(source)
    (site / "torch.py").touch()  # what the doctor's child process imports, in a millisecond; this one has torch already
    done = gpk("plugins", "--doctor")
    assert done.returncode == 1
    assert re.search(told, done.stdout), done.stdout
    assert len(re.findall("^Do: ", done.stdout, re.MULTILINE)) == 1


def test_slow_import_and_which_of_its_imports_it_is(gpk: Gpk, install: Install, site: Path) -> None:
    (site / "sleepy.py").write_text("import time; time.sleep(0.9)")
    install("gpk-dogs", "import sleepy, time; time.sleep(0.2)\ngpk_api = 1")
    done = gpk("plugins", "--doctor")
    assert done.returncode == 1
    slow = (
        r"is slow: it takes 1\.\d s to load \(of its imports sleepy 0\.9 s, gpk_dogs 0\.2 s.*\nDo: import what is slow"
    )
    assert re.search(slow, done.stdout), done.stdout


def test_broken_entry_points(gpk: Gpk, install: Install, site: Path) -> None:
    install("gpk-dogs", "gpk_api = 1")
    points = site / "gpk_dogs-1.0.dist-info" / "entry_points.txt"
    points.write_text("[gpk]\ngone = gpk_dogs_of_yesterday\ndeep = gpk_dogs.gone:plugin\nno-name = gpk_dogs:plugin\n")
    told = gpk("plugins", "--doctor").stdout
    gone = "Do: its entry point gone = 'gpk_dogs_of_yesterday' names a module that is not there: reinstall it (pip "
    assert gone + "install --force-reinstall gpk-dogs), or be rid of it (pip uninstall gpk-dogs)" in told
    assert "Do: its entry point deep = 'gpk_dogs.gone:plugin' names a module that is not there" in told
    assert "Do: its entry point no-name = 'gpk_dogs:plugin' names 'plugin', which gpk_dogs does not have" in told


def test_names_twice_and_names_of_nobody(gpk: Gpk, install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    task = "return [p.Task('bark', 'Bark.', run=print)]"
    install("gpk-dogs", hook("gpk_tasks()", task), plugin="animals")
    install("gpk-cats", hook("gpk_tasks()", task), plugin="animals")
    monkeypatch.setenv("GPK_DISABLE_PLUGINS", "animal")
    told = gpk("plugins", "--doctor").stdout
    assert "the task 'bark' is offered by the plugins 'animals' of gpk-cats 1.0 and 'animals' of gpk-dogs 1.0" in told
    assert "Do: rename what it offers where it is yours; otherwise switch one plugin off" in told
    assert "2 plugins are called 'animals': gpk-cats:animals, gpk-dogs:animals. All work" in told
    assert "Do: name one as GPK_DISABLE_PLUGINS=gpk-dogs:animals" in told
    assert "GPK_DISABLE_PLUGINS names 'animal', and no installed plugin is called that; did you mean 'animals'?" in told
    assert "Do: correct the variable, or unset it" in told


def test_older_api_still_works_and_is_told_once(gpk: Gpk, install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(API_VERSIONS, 0, "0.3")
    install("gpk-dogs", hook("gpk_tasks()", "return [p.Task('bark', 'Bark.', run=print)]").replace("= 1", "= 0"))
    done = gpk("tasks", "--json")
    assert done.returncode == 0
    assert '"bark"' in done.stdout
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Warning: ")]
    assert line == (
        "Warning: the plugin 'gpk-dogs' of gpk-dogs 1.0: it was written for hook API 0, which gpk 0.3 will not take "
        "any more: see docs/stability.md for what has changed, then state gpk_api = 1"
    )
    doctor = gpk("plugins", "--doctor")
    assert doctor.returncode == 1
    assert line.removeprefix("Warning: the plugin ") in doctor.stdout
    assert "Do: change it before that release, or update gpk-dogs" in doctor.stdout


class Tomorrow(Hooks):
    """The hooks of a gpk that is about to drop one, and an argument of another."""

    gpk_tasks = Hooks.gpk_tasks

    @pluggy.HookspecMarker("gpk")(
        warn_on_impl=GpkDeprecationWarning("gpk_paintings goes with gpk 0.3: offer tasks from gpk_tasks")
    )
    def gpk_paintings(self) -> None:
        """Goes."""

    @pluggy.HookspecMarker("gpk")(
        warn_on_impl_args={
            "colour": GpkDeprecationWarning("gpk_frames: colour goes with gpk 0.3: read it of `context`")
        }
    )
    def gpk_frames(self, context: object, colour: object) -> None:
        """Stays."""


@pytest.mark.parametrize(
    ("signature", "told"),
    [
        ("gpk_paintings()", ("gpk_paintings goes with gpk 0.3: offer tasks from gpk_tasks",)),
        ("gpk_frames(context, colour)", ("gpk_frames: colour goes with gpk 0.3: read it of `context`",)),
        ("gpk_frames(context)", ()),
    ],
)
def test_deprecated_hooks_and_arguments(
    site: Path, monkeypatch: pytest.MonkeyPatch, signature: str, told: tuple[str, ...]
) -> None:
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, "old_dogs", raising=False)
    (site / "old_dogs.py").write_text(hook(signature, "return None"))
    guest = Guest(EntryPoint("dogs", "old_dogs", "gpk"), Tomorrow)
    guest.load()
    assert guest.report.deprecations == told
    assert guest.report.status == "ok"
    assert guest.report.hooks == (signature.partition("(")[0],)
