"""The documents: their code runs, their links lead somewhere, their commands are what the command line takes.

Every fenced block is of a kind in KINDS, which says what looks at it. Lines of `gpk` in a console or an indented block
go through the command line's own parser, up to where it would do something.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import typer
from typer.core import TyperGroup

from gpk.generator import Generator, fingerprint
from gpk.persona import Origin, Persona
from gpk.recipe import Recipe
from gpk.registry import Registry
from gpk.seeding import seeded
from gpk_checkpoints.personas import save_persona
from gpk_checkpoints.weights import load_generator
from gpk_cli.app import build
from gpk_runs.settings import read_config
from gpk_tasks.personalize.presets import preset
from gpk_tasks.personalize.settings import resolve

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"(?ms)^(?:\*\*`(?P<file>[\w./]+)`\*\*\n\n)?```(?P<kind>[^\n]*)\n(?P<text>.*?)^```$")
GROUP = r"minicat |weights |bench |run |persona |plugins (?=new|check)"
INLINE = re.compile(rf"(?:^|\s|`)gpk ((?:{GROUP})?[a-z]+)((?:(?! gpk )[^`#\n])*)")

KINDS = {
    "python": "test_python_runs; where a file's name stands above it, tests/cli/test_tutorial.py",
    "console": "test_commands_are_taken; tests/cli/test_walk.py follows tutorial.md",
    "toml": "tests/cli/test_tutorial.py",
    "text": "docs/cli.md, which tests/cli/test_reference.py compares; what gpk shows, elsewhere",
    "hexdump": "tests/adapters/checkpoints/test_format_page.py",
    "json": "tests/adapters/checkpoints/test_format_page.py",
}
UNPARSED = {
    "gpk run TASK RUN": "TASK stands for any",
    "gpk run TASK SUBJECT": "TASK stands for any",
    "gpk blobs 7": "a command of the tutorial's plugin, which tests/cli/test_tutorial.py runs",
    "gpk nimbus-album album": "a command of what `gpk plugins new` writes; tests/cli/test_plugin_new.py runs one",
    "gpk birds bird --seed 1": "a command of the example's, which tests/cli/test_foreign.py runs",
    "gpk birds bird-1 --seed 1": "the same",
}
OF_PLUGINS = {"birds": "foreign.md", "run spread": "new-task.md", "run palette": "plugins.md"}
"""Commands of plugins that the pages themselves write; their own tests run them."""
GIVEN = {"guide.md": ("generator", "path"), "persona-format.md": ("path",), "tutorial.md": ("path",)}
"""What a page's Python takes as given."""
NOT_RUN = {
    "pose.md": "a pose search is minutes; tests/plugins/tasks/pose/test_pose.py runs it",
    "python.md": "a personalization; tests/cli/test_python.py runs it with few steps",
}
"""Pages whose Python is compiled, and of which only the imports run."""


class Line(NamedTuple):
    """One command of a page."""

    page: Path
    text: str


def fences(page: Path) -> Iterator[re.Match[str]]:
    return FENCE.finditer(page.read_text(encoding="utf-8"))


def commands(page: Path) -> Iterator[Line]:
    """Lines of `gpk` in console and indented blocks; several may stand in one line, and a comment behind them."""
    text = page.read_text(encoding="utf-8")
    console = [match["text"] for match in FENCE.finditer(text) if match["kind"] == "console"]
    found = re.findall(r"(?m)^\$ (gpk .*(?:\\\n.*)*)", "".join(console))
    found += re.findall(r"(?m)^    (gpk .*)", FENCE.sub("", text))
    for line in found:
        for piece in re.split(r" {2,}(?=gpk )", line.replace("\\\n", " ")):
            words = re.split(r" {3,}| +#", piece)[0].split()
            yield Line(page, " ".join(words))


def named(line: Line) -> str:
    return f"{line.page.name}: {line.text}"


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.discover(plugins=False)


@pytest.fixture(scope="module")
def root(registry: Registry) -> Any:
    return typer.main.get_command(build(registry))


def direct(registry: Registry) -> set[str]:
    """The tasks that are commands too."""
    return {name for name, offer in registry.tasks().items() if offer.value.direct}


def parse(root: Any, words: Sequence[str], registry: Registry) -> None:
    """Has the command line's own parser read `words`; raises what it raises of an option or argument that is not so."""
    command, context, name = root, None, "gpk"
    if words[:1] and words[0] in direct(registry):
        words = ["run", *words]  # its options are those of the task
    while True:
        try:
            context = command.make_context(name, list(words), parent=context, obj=registry)
        except typer.Exit:  # --help
            return
        if not isinstance(command, TyperGroup):
            return
        rest = [*context._protected_args, *context.args]  # pyright: ignore[reportAttributeAccessIssue] click's own name
        if not rest:
            return
        name, command, words = command.resolve_command(context, rest)
        assert command is not None, f"gpk {name}"


LINES = [line for page in PAGES if page.name != "bad-input.md" for line in commands(page)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"(?:\]\(|src=\")([^)#\s\"]+)", page.read_text(encoding="utf-8")):
        assert target.startswith("http") or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_has_a_test(page: Path) -> None:
    kinds = {match["kind"] for match in fences(page)}
    assert kinds <= KINDS.keys()
    assert page.read_text(encoding="utf-8").count("\n```") == 2 * len(list(fences(page))), "a fence is not closed"


# docs/bad-input.md quotes commands that do not exist, on purpose.
def test_commands_are_taken(root: Any, registry: Registry) -> None:
    for line in LINES:
        if line.text not in UNPARSED:
            words = shlex.split(line.text.replace("[OPTIONS]", ""))[1:]
            try:
                parse(root, words, registry)
            except Exception as problem:
                raise AssertionError(f"{named(line)}: {problem}") from problem


def test_scripts_and_targets_exist() -> None:
    targets = re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"))
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for script in re.findall(r"\bpython ([\w./-]+\.py)\b", text):
            assert (ROOT / script).is_file(), f"{page.name}: {script}"
        for target in re.findall(r"(?m)(?:^    |`)make ([a-z-]+)", text):
            assert target in targets, f"{page.name}: make {target}"


def test_the_guides_settings_are_taken(tmp_path: Path) -> None:
    lines = re.findall(r"(?m)^    ((?:recipe|inversion|tuning): .*)", (ROOT / "docs" / "guide.md").read_text())
    (tmp_path / "mine.yaml").write_text("\n".join(lines))
    settings = resolve(preset("fast"), ("mine.yaml", read_config(tmp_path / "mine.yaml")))
    assert (settings.recipe.rank, settings.inversion.space, settings.tuning.steps) == (4, "w+", 500)


def test_the_parser_refuses(root: Any, registry: Registry) -> None:
    for wrong in ("personalise A", "personalize A --rank one", "personalize A --rnak 1", "weights list B", "merge A"):
        with pytest.raises(Exception, match=r"No such command|valid integer|No such option|unexpected|Missing"):
            parse(root, wrong.split(), registry)


def test_what_is_not_parsed_is_there() -> None:
    assert UNPARSED.keys() <= {line.text for line in LINES}


@pytest.mark.parametrize("page", [p for p in PAGES if p.name != "bad-input.md"], ids=lambda page: page.name)
def test_commands_inside_a_sentence_exist(page: Path, root: Any, registry: Registry) -> None:
    for block in re.findall(r"`gpk [^`]*`", page.read_text(encoding="utf-8")):
        for name, rest in INLINE.findall(block):
            if name in OF_PLUGINS:
                continue
            command = root
            for part in (f"run {name}" if name in direct(registry) else name).split():
                context = typer.Context(command, obj=registry)
                assert part in command.list_commands(context), f"gpk {name}"
                command = command.get_command(context, part)
            options = {option for p in command.params for option in (*p.opts, *p.secondary_opts)}
            for option in re.findall(r"--[a-z-]+", rest):
                assert option in options | {"--help"}, f"gpk {name} {option}"


def code(page: str) -> str:
    """The page's Python, one block after the other, but for those that are a plugin's files."""
    return "\n".join(m["text"] for m in fences(ROOT / "docs" / page) if m["kind"] == "python" and not m["file"])


PYTHON = [page for page in PAGES if any(m["kind"] == "python" and not m["file"] for m in fences(page))]


@pytest.mark.parametrize("page", PYTHON, ids=lambda page: page.name)
def test_python_runs(page: Path, stylegan2: Generator, registry: Registry, tmp_path: Path) -> None:
    generator, path = stylegan2, tmp_path / "x.persona.safetensors"
    if page.name == "tutorial.md":
        backend = registry.backend("eg3d-minicat")
        generator = load_generator(backend, backend.card, None)
    anchors = torch.randn(3, generator.latent.w_dim, generator=seeded(0))
    origin = Origin("stylegan2", "ffhq-1024", fingerprint(generator))
    save_persona(path, Persona.create(generator, Recipe(), origin=origin, anchors=anchors))
    at_hand = {"generator": generator, "path": path}
    names: dict[str, Any] = {"__name__": page.stem} | {name: at_hand[name] for name in GIVEN.get(page.name, ())}
    tree = ast.parse(code(page.name), page.name)
    if page.name in NOT_RUN:
        tree.body = [line for line in tree.body if isinstance(line, ast.Import | ast.ImportFrom)]
        assert tree.body
    exec(compile(tree, page.name, "exec", dont_inherit=True), names)
    if page.name == "guide.md":
        assert names["picture"].shape == (1, 3, 16, 16)
    if page.name == "tutorial.md":
        assert names["left"].shape == (1, 3, 64, 64)


def test_what_is_given_is_needed() -> None:
    assert GIVEN.keys() | NOT_RUN.keys() <= {page.name for page in PYTHON}
