"""Writes docs/cli.md, the --help of every command: python -m gpk_cli.reference > docs/cli.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

from gpk.registry import Registry
from gpk_cli.app import build

WIDTH = 100
"""Columns of the help texts, whatever terminal this runs in."""

HEAD = """\
<!-- Generated: python -m gpk_cli.reference > docs/cli.md -->

# The command line

Every command's `--help`, those of the plugins that come with gpk included; a plugin of your own adds its commands to
yours. Data goes to stdout, messages and progress to stderr.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | failed |
| 2 | what you gave is wrong, or stdout takes nothing more, and the message says what to mend |
| 130 | interrupted |

`GPK_DISABLE_PLUGINS=name,other` leaves plugins out, as `--no-plugins` does with every one that does not come with gpk.
"""


def reference() -> str:
    """The page."""
    registry = Registry.discover(plugins=False)
    command = typer.main.get_command(build(registry))
    return "\n".join([HEAD, *_sections(command, "gpk", None, registry)])


def _sections(command: Any, name: str, parent: Any, registry: Registry) -> Iterator[str]:  # noqa: ANN401 Typer's types are private
    context = typer.Context(
        command,
        parent=parent,
        obj=registry,
        info_name=name,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        **command.context_settings,
    )
    help_text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    yield f"## `{context.command_path}`\n\n```text\n{help_text}\n```\n"
    if isinstance(command, TyperGroup):
        for sub_name in command.list_commands(context):
            sub_command = command.get_command(context, sub_name)
            if sub_command is not None and not sub_command.hidden:
                yield from _sections(sub_command, sub_name, context, registry)


if __name__ == "__main__":
    print(reference(), end="")
