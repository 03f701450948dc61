"""The documents: their code runs, their links lead somewhere, their commands and options exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
import typer

from corekit.generator import Generator, fingerprint
from corekit.order import seeded
from corekit.persona import Origin, Persona
from corekit.recipe import Recipe
from corekit.registry import Registry
from gpk_checkpoints.personas import save_persona
from gpk_cli.app import build
from gpk_cli.run import DIRECT

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
COMMAND = re.compile(r"(?:^|\s|`)gpk ((?:minicat |weights |bench |run )?[a-z]+)((?:(?! gpk )[^`#\n])*)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"(?:\]\(|src=\")([^)#\s\"]+)", page.read_text()):
        assert target.startswith("http") or (page.parent / target).exists(), target


# docs/bad-input.md quotes commands that do not exist, on purpose.
@pytest.mark.parametrize("page", [p for p in PAGES if p.name != "bad-input.md"], ids=lambda page: page.name)
def test_commands_and_options_exist(page: Path) -> None:
    registry = Registry.discover(plugins=False)
    root = typer.main.get_command(build(registry))
    blocks = re.findall(r"(?m)^    gpk .*$|`gpk [^`]*`", page.read_text())
    for block in blocks:
        for name, rest in COMMAND.findall(block):
            if name == "birds":  # the example's own: tests/cli/test_foreign.py runs it
                continue
            name = f"run {name}" if name in DIRECT else name  # its options are those of the task
            command = root
            for part in name.split():
                context = typer.Context(command, obj=registry)
                assert part in command.list_commands(context), f"gpk {name}"  # pyright: ignore[reportAttributeAccessIssue]
                command = command.get_command(context, part)  # pyright: ignore[reportAttributeAccessIssue]
            options = {option for p in command.params for option in (*p.opts, *p.secondary_opts)}
            for option in re.findall(r"--[a-z-]+", rest):
                assert option in options | {"--help"}, f"gpk {name} {option}"


def test_the_guides_python_runs(stylegan2: Generator, tmp_path: Path) -> None:
    generator, path = stylegan2, tmp_path / "x.persona.safetensors"
    anchors = torch.randn(3, generator.latent.w_dim, generator=seeded(0))
    origin = Origin("stylegan2", "ffhq-1024", fingerprint(generator))
    save_persona(path, Persona.create(generator, Recipe(), origin=origin, anchors=anchors))
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "guide.md").read_text(), re.DOTALL)
    names = {"generator": generator, "path": path}
    exec(code, names)
    assert isinstance(names["picture"], torch.Tensor)
    assert names["picture"].shape == (1, 3, 16, 16)
