"""Plugins are found, asked, and kept from harming each other. The plugins here are real distributions on sys.path."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from textwrap import dedent

import pytest
import torch

from gpk import quarantine
from gpk.album import Album
from gpk.errors import AlbumError, InputError, PluginError, UnknownNameError
from gpk.quarantine import PluginReport
from gpk.registry import Registry
from gpk.shared_state import SHARED, UNKNOWN

Install = Callable[..., list[metadata.EntryPoint]]

WELL = """
    from gpk.plugin import Backend, Card, DetectorCard, JudgeCard, Task, hookimpl

    gpk_api = 1

    @hookimpl
    def gpk_backends():
        return [Backend("{name}", "A family.", (Card("tiny", "Tiny", "CC0"),), build=dict)]

    @hookimpl
    def gpk_tasks():
        return [Task("{name}-task", "A task.", run=print)]

    @hookimpl
    def gpk_judges():
        return [JudgeCard("{name}-judge", "judge", "A judge.", load=print)]

    @hookimpl
    def gpk_detectors():
        return [DetectorCard("{name}-detector", "dog", "A detector.", load=print, licence="CC0")]
"""

BROKEN = {
    "absent-import": ("import no_such_module_at_all", "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
    "syntax": ("def", "SyntaxError"),
    "exits-on-import": ("import sys; sys.exit(3)", "importing it raised SystemExit: 3"),
    "no-api": (
        "from gpk.plugin import hookimpl\n@hookimpl\ndef gpk_tasks(): return []",
        "it states no gpk_api; for this gpk that is `gpk_api = 1`",
    ),
    "newer-api": ("gpk_api = 2", "it was written for hook API 2 and this gpk has 1: update gpk"),
    "older-api": ("gpk_api = 0", "it was written for hook API 0 and this gpk has 1: update broken"),
    "odd-api": ("gpk_api = '1'", "it states gpk_api = '1', which is no whole number"),
    "raises": ("gpk_tasks: 1 / 0", "gpk_tasks raised ZeroDivisionError: division by zero"),
    "of its own root": (
        "class Odd(BaseException): pass\nraise Odd('a')",
        "importing it raised Odd: a",
    ),
    "without text": (
        "class Mute(Exception):\n    def __str__(self): raise RuntimeError\nraise Mute",
        "importing it raised Mute: an error that cannot tell its own text (RuntimeError)",
    ),
    "exits": ("gpk_judges: raise SystemExit('bye')", "gpk_judges raised SystemExit: bye"),
    "no-list": ("gpk_backends: return 7", "gpk_backends returned a int, not a sequence of Backend"),
    "a-string": ("gpk_tasks: return 'render'", "gpk_tasks returned a str, not a sequence of Task"),
    "wrong-type": ("gpk_tasks: return [{}]", "gpk_tasks offers {} (a dict), not a Task"),
    "no-cards": (
        "gpk_backends: return [p.Backend('x', 'X.', (), build=print)]",
        "gpk_backends offers the backend 'x': cards is a tuple of at least one Card",
    ),
    "no-build": (
        "gpk_backends: return [p.Backend('x', 'X.', (p.Card('c', 'C', 'CC0'),), build=None, fit=3, meaning='?')]",
        "gpk_backends offers the backend 'x': build is a function from a config to a generator; "
        "fit is a function from a config and tensor shapes to a config, or None; "
        "meaning is a function from noise to numbers by name, or None",
    ),
    "no-run": ("gpk_tasks: return [p.Task('x', 'X.', run=None)]", "gpk_tasks offers the task 'x': run is a function"),
    "no-summary": ("gpk_tasks: return [p.Task('x', '', run=print)]", "a summary is one sentence of text"),
    "bad-name": ("gpk_tasks: return [p.Task('../X', 'X.', run=print)]", "a name is lower-case letters and digits"),
    "bad-judge": (
        "gpk_judges: return [p.JudgeCard('x', 'umpire', 'X.', load=None)]",
        "kind is 'judge', 'distance' or 'attributes'; load is a function from a weights file or None to a module",
    ),
    "bad-variant": (
        "gpk_judges: return [p.JudgeCard('x', 'judge', 'X.', load=print, variant='y')]",
        "gpk_judges offers the judge 'x': variant is a function from a name to a JudgeCard, or None",
    ),
    "bad-variants": (
        "gpk_backends: return [p.Backend('x', 'X.', (), build=print, variant='y')]",
        "gpk_backends offers the backend 'x': variant is a function from a name to a Backend, or None",
    ),
    "bad-detector": (
        "gpk_detectors: return [p.DetectorCard('x', '', 'X.', load=None, licence='')]",
        "gpk_detectors offers the detector 'x': finds is a word for whom it finds; licence is that of what finds; "
        "load is a function from a model file or None to a detector",
    ),
    "bad-framing": (
        "gpk_backends: return [p.Backend('x', 'X.', (p.Card('c', 'C', 'CC0'),), build=print, framing='ffhq')]",
        "gpk_backends offers the backend 'x': framing is a Framing, or None",
    ),
    "bad-tiny-sizes": (
        "gpk_backends: return [p.Backend('x', 'X.', (p.Card('c', 'C', 'CC0'),), build=print, tiny=8)]",
        "gpk_backends offers the backend 'x': tiny is a mapping of settings",
    ),
    "bad-tiny-settings": (
        "gpk_tasks: return [p.Task('x', 'X.', run=print, tiny=8)]",
        "gpk_tasks offers the task 'x': tiny is a mapping of settings",
    ),
    "one-name-twice": (
        "gpk_tasks: return [p.Task('x', 'X.', run=print), p.Task('x', 'Y.', run=print)]",
        "gpk_tasks offers more than one task named x",
    ),
    "misspelt-hook": ("gpk_backend: return []", "unknown hook 'gpk_backend': did you mean 'gpk_backends'?"),
    "misspelt-argument": ("gpk_tasks(context): return []", "{'context'} are declared in the hookimpl"),
}
"""Sources, or one hook and what it does, and a part of what the doctor must say."""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a distribution of plugins as pip would leave it on the disk, and returns its entry points."""
    monkeypatch.delenv("GPK_DISABLE_PLUGINS", raising=False)
    monkeypatch.syspath_prepend(tmp_path)

    def written(distribution: str, version: str = "1.0", **sources: str) -> list[metadata.EntryPoint]:
        modules = {plugin: f"{distribution}_{plugin}".replace("-", "_") for plugin in sources}
        for plugin, source in sources.items():
            monkeypatch.delitem(sys.modules, modules[plugin], raising=False)
            (tmp_path / f"{modules[plugin]}.py").write_text(dedent(source))
        folder = tmp_path / f"{distribution.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        lines = [f"{plugin} = {module}" for plugin, module in modules.items()]
        (folder / "entry_points.txt").write_text("\n".join(["[gpk]", *lines, ""]))
        return list(metadata.Distribution.at(folder).entry_points)

    return written


def test_offers_know_their_offerer(install: Install) -> None:
    registry = Registry.discover(entry_points=install("gpk-dogs", dogs=WELL.format(name="dogs")))
    (offer,) = registry.backends().values()
    assert (offer.value.name, offer.plugin, offer.distribution) == ("dogs", "dogs", "gpk-dogs")
    assert registry.backend("dogs") is offer.value
    assert registry.task("dogs-task") is registry.tasks()["dogs-task"].value
    assert registry.judge("dogs-judge") is registry.judges()["dogs-judge"].value
    assert registry.detector("dogs-detector") is registry.detectors()["dogs-detector"].value
    (report,) = registry.plugins()
    assert report.status == "ok"
    assert (report.distribution, report.version, report.api) == ("gpk-dogs", "1.0", 1)
    assert report.offers == {
        "backends": ("dogs",),
        "tasks": ("dogs-task",),
        "judges": ("dogs-judge",),
        "detectors": ("dogs-detector",),
    }
    assert report.hooks == ("gpk_backends", "gpk_detectors", "gpk_judges", "gpk_tasks")


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.filterwarnings("ignore:invalid escape")
def test_broken_plugin_is_quarantined_and_others_work(install: Install, fault: str) -> None:
    source, told = BROKEN[fault]
    if source.startswith("gpk_") and not source.startswith("gpk_api"):
        hook, does = source.split(": ", 1)
        signature = hook if "(" in hook else f"{hook}()"
        source = f"import gpk.plugin as p\ngpk_api = 1\n@p.hookimpl\ndef {signature}:\n    {does}\n"
    registry = Registry.discover(
        entry_points=install("broken", sick=source) + install("gpk-dogs", dogs=WELL.format(name="dogs"))
    )
    reports = {report.name: report for report in registry.plugins()}
    assert reports["sick"].status == "quarantined"
    assert told in (reports["sick"].error or "")
    assert reports["sick"].offers == {}
    assert reports["dogs"].status == "ok"
    assert list(registry.backends()) == ["dogs"]
    assert registry.task("dogs-task").name == "dogs-task"


def test_quarantine_keeps_the_traceback(install: Install) -> None:
    (report,) = Registry.discover(entry_points=install("broken", sick="import no_such_module_at_all")).plugins()
    assert report.traceback is not None
    assert "broken_sick.py" in report.traceback
    assert "import no_such_module_at_all" in report.traceback


def test_failing_hook_takes_the_plugins_other_offers_along(install: Install) -> None:
    source = WELL.replace('return [JudgeCard("{name}-judge", "judge", "A judge.", load=print)]', "raise KeyError('k')")
    registry = Registry.discover(entry_points=install("gpk-dogs", dogs=source.format(name="dogs")))
    assert registry.backends() == registry.tasks() == {}


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import sys; sys.setrecursionlimit(5000)", "the recursion limit"),
        ("import os; os.chdir('/')", "the current folder"),
        ("import signal; signal.signal(signal.SIGINT, print)", "what Ctrl-C does"),
        ("import torch; torch.set_default_dtype(torch.float64)", "torch's default dtype"),
        ("import torch; torch.set_grad_enabled(False)", "torch's gradients"),
        ("import torch; torch.set_default_device('meta')", "torch's default device"),
        ("import yaml; yaml.SafeLoader.add_constructor('!x', print)", "how YAML is read"),
        ("import yaml; yaml.safe_load = print", "how YAML is read"),
    ],
)
def test_what_a_plugin_changes_for_everybody_is_put_back_and_named(install: Install, source: str, name: str) -> None:
    before = [shared.value() for shared in SHARED]
    written = f"{source}\n" + dedent(WELL.format(name="dogs"))
    registry = Registry.discover(entry_points=install("gpk-dogs", dogs=written))
    (report,) = registry.plugins()
    assert (report.status, report.changed) == ("ok", (name,))
    assert [shared.value() for shared in SHARED] == before
    assert list(registry.backends()) == ["dogs"]


def test_a_torch_that_a_plugin_brings_begins_as_torch_does(monkeypatch: pytest.MonkeyPatch) -> None:
    (dtype,) = (shared for shared in SHARED if shared.name == "torch's default dtype")
    try:
        torch.set_default_dtype(torch.float64)
        assert dtype.restored(UNKNOWN)
        assert torch.get_default_dtype() == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)
    monkeypatch.delitem(sys.modules, "torch")
    assert not dtype.restored(UNKNOWN)


def test_a_plugin_that_takes_long_is_named_while_it_loads(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "PATIENCE", 0.01)
    told: list[str] = []
    entry_points = install("gpk-dogs", dogs="import waited\n" + dedent(WELL.format(name="dogs")))
    heard = threading.Event()
    module = type(sys)("waited")

    def hold(name: str) -> object:
        assert heard.wait(60)
        raise AttributeError(name)

    module.__dict__["__getattr__"] = hold
    monkeypatch.setitem(sys.modules, "waited", module)
    source = "import waited\ntry: waited.ready\nexcept AttributeError: pass\n" + dedent(WELL.format(name="cats"))
    entry_points += install("gpk-cats", cats=source)
    registry = Registry.discover(
        entry_points=entry_points, waiting=lambda report: (told.append(report.name), heard.set())[0]
    )
    assert told == ["cats"]
    assert sorted(registry.backends()) == ["cats", "dogs"]


def test_interrupt_is_the_users(install: Install) -> None:
    with pytest.raises(KeyboardInterrupt):
        Registry.discover(entry_points=install("broken", sick="raise KeyboardInterrupt"))


def test_object_that_resists_is_quarantined_alone(install: Install) -> None:
    resisting = """
        class Resisting:
            gpk_api = 1
            __hash__ = None
            def __eq__(self, other): raise RuntimeError("no comparison")
            def __getattr__(self, name): raise RuntimeError("no attribute")
        import sys
        sys.modules[__name__] = Resisting()
    """
    entry_points = install("broken", sick=resisting) + install("gpk-dogs", dogs=WELL.format(name="dogs"))
    assert list(Registry.discover(entry_points=entry_points).backends()) == ["dogs"]


def test_optional_hook_of_a_later_gpk_is_let_be(install: Install) -> None:
    source = WELL + "\n    @hookimpl(optionalhook=True)\n    def gpk_of_tomorrow(): pass\n"
    (report,) = Registry.discover(entry_points=install("gpk-dogs", dogs=source.format(name="dogs"))).plugins()
    assert report.status == "ok"


def test_hook_may_return_none(install: Install) -> None:
    source = "import gpk.plugin as p\ngpk_api = 1\n@p.hookimpl\ndef gpk_tasks(): pass\n"
    (report,) = Registry.discover(entry_points=install("idle", idle=source)).plugins()
    assert (report.status, report.offers) == ("ok", {})


def test_duplicates_are_told_when_used_and_do_not_brick_the_rest(install: Install) -> None:
    only_judges = WELL.replace("def gpk_judges", "def gpk_unused").replace(
        "@hookimpl\n    def gpk_unused", "def unused"
    )
    registry = Registry.discover(
        entry_points=install("gpk-dogs", dogs=only_judges.format(name="dogs"))
        + install("gpk-hounds", hounds=only_judges.format(name="dogs") + "\n    gpk_extra = 1\n")
        + install("gpk-cats", cats=WELL.format(name="cats"))
    )
    assert list(registry.backends()) == ["cats"]
    assert registry.backend("cats").name == "cats"
    both = "the backend 'dogs' is offered by the plugins 'dogs' of gpk-dogs 1.0 and 'hounds' of gpk-hounds 1.0"
    with pytest.raises(PluginError, match=f"^{both}; switch one off, as in GPK_DISABLE_PLUGINS=gpk-hounds:hounds$"):
        registry.backend("dogs")
    reports = {report.name: report for report in registry.plugins()}
    assert {name: report.status for name, report in reports.items()} == {
        "cats": "ok",
        "dogs": "duplicate",
        "hounds": "duplicate",
    }
    assert both in (reports["dogs"].error or "")
    assert "the task 'dogs-task'" in (reports["dogs"].error or "")


def test_two_plugins_of_one_name(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    entry_points = install("gpk-dogs", dogs=WELL.format(name="a")) + install("gpk-wolves", dogs=WELL.format(name="b"))
    assert list(Registry.discover(entry_points=entry_points).backends()) == ["a", "b"]
    monkeypatch.setenv("GPK_DISABLE_PLUGINS", "gpk-wolves:dogs")
    assert list(Registry.discover(entry_points=entry_points).backends()) == ["a"]


def test_disabled_plugins_are_not_even_imported(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    entry_points = install("pack", dogs=WELL.format(name="dogs"), cats=WELL.format(name="cats"), sick="1 / 0")
    monkeypatch.setenv("GPK_DISABLE_PLUGINS", " dogs, ,other")
    registry = Registry.discover(entry_points=entry_points, disabled=["sick"])
    assert {report.name: report.status for report in registry.plugins()} == {
        "cats": "ok",
        "dogs": "disabled",
        "sick": "disabled",
    }
    assert "pack_dogs" not in sys.modules
    with pytest.raises(UnknownNameError, match=r"Disabled plugins: 'dogs' of pack 1\.0, 'sick' of pack 1\.0 \(by "):
        registry.backend("dogs")


def test_no_plugins_keeps_those_that_come_with_gpk(install: Install) -> None:
    install("gpk-dogs", dogs=WELL.format(name="dogs"))
    reports = Registry.discover(plugins=False).plugins()
    assert {report.name for report in reports if report.status == "disabled"} == {"dogs"}
    assert {report.distribution for report in reports if report.status != "disabled"} == {"gpk"}


def test_installed_plugins_ours_are_ordinary_entry_points(install: Install) -> None:
    install("gpk-dogs", dogs=WELL.format(name="dogs"))
    registry = Registry.discover()
    ours = {entry_point.name for entry_point in metadata.distribution("gpk").entry_points.select(group="gpk")}
    found = {report.name: report.distribution for report in registry.plugins()}
    assert found == dict.fromkeys(ours, "gpk") | {"dogs": "gpk-dogs"}
    assert registry.backend("dogs").name == "dogs"


def test_unknown_name_has_the_nearest_and_the_quarantined(install: Install) -> None:
    registry = Registry.discover(
        entry_points=install("gpk-dogs", dogs=WELL.format(name="dogs")) + install("broken", sick="1 / 0")
    )
    with pytest.raises(UnknownNameError) as caught:
        registry.backend("dgos")
    assert str(caught.value) == (
        "unknown backend 'dgos': did you mean 'dogs'? Known: dogs. "
        "Quarantined plugins: 'sick' of broken 1.0 (see `gpk plugins --doctor`)"
    )
    assert caught.value.exit_code == 2


def test_entry_point_without_a_distribution() -> None:
    (report,) = Registry.discover(entry_points=[metadata.EntryPoint("stray", "json", "gpk")]).plugins()
    assert (report.distribution, report.status) == ("no distribution", "quarantined")


VARIANTS = """
    from gpk.plugin import JudgeCard, hookimpl
    from gpk.errors import UnknownNameError
    gpk_api = 1

    def variant(which):
        if which == "odd":
            return which
        if which not in ("long", "wrong"):
            raise UnknownNameError("dog", which, ["long", "wrong"])
        return JudgeCard("dog", "judge" if which == "long" else "umpire", f"A {which} dog.", load=print)

    @hookimpl
    def gpk_judges():
        return [
            JudgeCard("dog", "judge", "A dog.", load=print, variant=variant),
            JudgeCard("traits", "attributes", "Numbers.", load=print),
        ]
"""


def test_variant_of_a_judge_is_made_by_its_card(install: Install) -> None:
    registry = Registry.discover(entry_points=install("gpk-dogs", dogs=VARIANTS))
    assert registry.judge("dog").summary == "A dog."
    variant = registry.judge("dog:long")
    assert (variant.name, variant.summary) == ("dog:long", "A long dog.")
    assert registry.judge("traits").kind == "attributes"
    assert list(registry.judges()) == ["dog", "traits"]


@pytest.mark.parametrize(
    ("name", "error", "told"),
    [
        ("dog:lng", UnknownNameError, "unknown dog 'lng': did you mean 'long'?"),
        ("dogs:long", UnknownNameError, "unknown judge 'dogs': did you mean 'dog'?"),
        ("traits:x", UnknownNameError, "unknown judge 'traits:x': did you mean 'traits'?"),
        ("dog:odd", PluginError, "the judge 'dog' offers 'odd' as its variant 'odd', not a JudgeCard"),
        ("dog:wrong", PluginError, "gpk_judges offers the judge 'dog': kind is 'judge', 'distance' or 'attributes'"),
    ],
)
def test_variant_that_there_is_not(install: Install, name: str, error: type[Exception], told: str) -> None:
    registry = Registry.discover(entry_points=install("gpk-dogs", dogs=VARIANTS))
    with pytest.raises(error) as caught:
        registry.judge(name)
    assert told in str(caught.value)


FAMILIES = """
    from dataclasses import replace
    from gpk.plugin import Backend, Card, hookimpl
    gpk_api = 1
    dogs = Backend("dogs", "Dogs.", (), build=dict, variant=lambda which: make(which))

    def make(which):
        if which == "odd":
            return which
        return replace(dogs, summary=f"A {which}.", cards=() if which == "bare" else (Card("one", "One", "CC0"),),
                       variant=None)

    @hookimpl
    def gpk_backends():
        return [dogs, replace(make("pug"), name="pug")]
"""


def test_variant_of_a_backend_is_made_where_somebody_asked(install: Install) -> None:
    registry = Registry.discover(entry_points=install("gpk-dogs", dogs=FAMILIES))
    assert registry.backend("dogs").cards == ()
    variant = registry.backend("dogs:pug", asked=True)
    assert (variant.name, variant.summary, variant.card.name) == ("dogs:pug", "A pug.", "one")
    assert list(registry.backends()) == ["dogs", "pug"]


@pytest.mark.parametrize(
    ("name", "asked", "error", "told"),
    [
        ("dogs:pug", False, InputError, "'dogs:pug' is code on your machine, and a file that names it is no reason"),
        ("pug:x", True, UnknownNameError, "unknown backend 'pug:x': did you mean 'pug'?"),
        ("cats:x", True, UnknownNameError, "unknown backend 'cats'"),
        ("dogs:odd", True, PluginError, "the backend 'dogs' offers 'odd' as its variant 'odd', not a Backend"),
        ("dogs:bare", True, PluginError, "gpk_backends offers the backend 'dogs': cards is a tuple of at least one"),
    ],
)
def test_variant_of_a_backend_that_there_is_not(
    install: Install, name: str, asked: bool, error: type[Exception], told: str
) -> None:
    registry = Registry.discover(entry_points=install("gpk-dogs", dogs=FAMILIES))
    with pytest.raises(error) as caught:
        registry.backend(name, asked=asked)
    assert told in str(caught.value)


ALBUMS = """
    from gpk.plugin import hookimpl
    gpk_api = 1
    @hookimpl
    def gpk_open_album(path, side):
        import torch
        from gpk.album import Album
        from gpk.errors import AlbumError
        if path.suffix == ".{name}":
            return Album(torch.zeros(1, 3, side, side), ("{name}",))
        if path.suffix == ".empty":
            raise AlbumError("nothing in it")
"""


def test_album_is_opened_by_the_plugin_that_knows_it(install: Install, tmp_path: Path) -> None:
    registry = Registry.discover(
        entry_points=install("albums", one=ALBUMS.format(name="one"))
        + install("broken", sick=ALBUMS.format(name="sick").replace("import torch", "1 / 0"))
        + install("odd", odd=ALBUMS.format(name="odd").replace("import torch", "return path"))
    )
    album = registry.open_album(tmp_path / "cats.one", 8, cameras=False)
    assert isinstance(album, Album)
    assert torch.equal(album.photos, torch.zeros(1, 3, 8, 8))
    errors = {report.name: report.error for report in registry.plugins()}
    assert errors["sick"] == "gpk_open_album raised ZeroDivisionError: division by zero"
    assert str(errors["odd"]).startswith("gpk_open_album returned a ")
    with pytest.raises(AlbumError, match=r"^nothing in it$"):
        registry.open_album(tmp_path / "cats.empty", 8, cameras=False)
    (tmp_path / "cats.two").touch()
    with pytest.raises(
        AlbumError, match=r"no plugin knows how to open .*cats.two as an album.*\. Quarantined plugins: "
    ):
        registry.open_album(tmp_path / "cats.two", 8, cameras=False)
    with pytest.raises(AlbumError, match=r"^there is no album at .*cats.three"):
        registry.open_album(tmp_path / "cats.three", 8, cameras=False)


COMMANDS = """
    from gpk.plugin import hookimpl
    gpk_api = 1
    @hookimpl
    def gpk_commands(app):
        app.append("{name}")
        {then}
"""


def test_commands_of_a_plugin_that_raises_halfway_are_not_adopted(install: Install) -> None:
    adopted: list[str] = []

    def adopt(app: list[str]) -> None:
        if app == ["taken"]:
            raise PluginError("it is taken")
        adopted.extend(app)

    registry = Registry.discover(
        entry_points=install(
            "pack",
            a=COMMANDS.format(name="a", then=""),
            b=COMMANDS.format(name="b", then="raise ValueError('halfway')"),
            c=COMMANDS.format(name="taken", then=""),
            d=COMMANDS.format(name="d", then=""),
        )
    )
    registry.commands(list[str], adopt)
    assert adopted == ["a", "d"]
    assert [report.error for report in registry.plugins()] == [
        None,
        "gpk_commands raised ValueError: halfway",
        "it is taken",
        None,
    ]


def test_report_names_its_plugin() -> None:
    assert str(PluginReport("dogs", "gpk-dogs", "1.0")) == "'dogs' of gpk-dogs 1.0"
    assert str(PluginReport("stray")) == "'stray' of no distribution"
