"""The application: root options, gpk's own commands, and those of plugins."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gpk.errors import GpkError, PluginError
from gpk.quarantine import PluginReport
from gpk.registry import DISABLE_VARIABLE, Registry
from gpk_cli import (
    analyze,
    benchmark,
    catalogue,
    demo,
    evaluate,
    persona,
    personalize,
    personas,
    plugins,
    prepare,
    report,
    run,
    view,
    weights,
)
from gpk_cli.exit_codes import Ended, exit_code
from gpk_cli.output import say
from gpk_cli.stdout import data_alone, data_stream, open_streams

FIRST = (prepare, personalize, report, run)
THEN = (
    view,
    evaluate,
    analyze,
    personas,
    persona,
    demo,
    benchmark,
    weights,
    catalogue,
    plugins,
)
"""The modules of gpk's own commands, in the order of `gpk --help`, the tasks' in between: each has the hook that a
plugin has for its commands, `gpk_commands(app)`.
"""


class Root(TyperGroup):
    """All commands."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 Typer keeps its own type to itself
        """Runs the chosen command; GpkError, OSError and interrupts come out as Ended."""
        try:
            return super().invoke(ctx)
        except (GpkError, KeyboardInterrupt, EOFError, OSError) as error:
            raise Ended(error) from error

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 as above
        """Finds the command; where there is none, says which plugins may have had it."""
        if self.get_command(ctx, args[0]) is None:
            for sentence in ctx.obj.absent():
                say(sentence)
        return super().resolve_command(ctx, args)


def root(
    ctx: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print gpk's version and end.")] = False,
    no_plugins: Annotated[
        bool, typer.Option("--no-plugins", help="Leave out every plugin that does not come with gpk.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Teach a pretrained GAN one person, one cat, one thing, and keep what it learned in a file under a megabyte."""
    # no_plugins and debug are for --help and completion alone: `main` needs both before anything is parsed.
    if show_version:
        print(f"gpk {version('gpk')}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        print(ctx.get_help())


def build(registry: Registry) -> typer.Typer:
    """The whole application: gpk's own commands, then those of the plugins that are well."""
    # Plain help: it is read in pipes, logs and docs/cli.md too, and importing rich would double the time it takes.
    app = typer.Typer(
        name="gpk", cls=Root, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]}
    )
    app.callback(invoke_without_command=True)(root)
    for group in FIRST:
        group.gpk_commands(app)
    run.add_direct(app, registry)
    for group in THEN:
        group.gpk_commands(app)
    registry.commands(typer.Typer, lambda theirs: _adopt(app, theirs))
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs gpk on `arguments`, sys.argv's where None and the process is gpk's, and returns the exit code."""
    program, arguments = arguments is None, sys.argv[1:] if arguments is None else list(arguments)
    options = _root_options(arguments)
    open_streams()
    with data_alone(to_the_end=program):
        try:
            code = _run(arguments, plugins="--no-plugins" not in options)
            data_stream().flush()
        except Ended as ended:
            return exit_code(ended.cause, debug="--debug" in options)
        except BaseException as error:  # the outermost boundary: no one can mend anything by a traceback
            return exit_code(error, debug="--debug" in options)
        return code


def _run(arguments: list[str], *, plugins: bool) -> int:
    # A plugin that greets on import prints no data.
    with redirect_stdout(sys.stderr):
        registry = Registry.discover(plugins=plugins, waiting=_say_waiting)
        command = typer.main.get_command(build(registry))
    for plugin in registry.plugins():
        for sentence in plugin.deprecations:
            say(f"Warning: the plugin {plugin}: {sentence}")
        if plugin.changed:
            say(f"Warning: the plugin {plugin} changed {', '.join(plugin.changed)} for everybody: it was put back")
    try:
        command.main(arguments, prog_name="gpk", obj=registry)
    except SystemExit as end:
        if isinstance(end.code, str):
            say(end.code)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _say_waiting(plugin: PluginReport) -> None:
    say(f"Still loading the plugin {plugin}; {DISABLE_VARIABLE}={plugin.key} leaves it out")


def _root_options(arguments: Sequence[str]) -> Sequence[str]:
    """The options before the command. Plugins must be known before parsing, and which to load is an option."""
    words = (place for place, argument in enumerate(arguments) if not argument.startswith("-"))
    return arguments[: next(words, len(arguments))]


def _adopt(app: typer.Typer, theirs: typer.Typer) -> None:
    """Adds a plugin's commands to gpk's; what it raises where they are unusable is then the plugin's fault."""
    if theirs.registered_callback is not None:
        raise PluginError("gpk_commands sets a callback: the root options are gpk's own")
    if taken := sorted(_named(app) & _names(theirs)):
        raise PluginError(f"gpk_commands adds what gpk or another plugin has already: {', '.join(taken)}")
    app.registered_commands += theirs.registered_commands
    app.registered_groups += theirs.registered_groups


def _named(app: typer.Typer) -> set[str]:
    """The names of an application's commands, without building them, which takes longer than all else at a start."""
    names = {each.name or typer.main.get_command_name(each.callback.__name__) for each in app.registered_commands}  # pyright: ignore[reportOptionalMemberAccess]
    for group in app.registered_groups:
        name = typer.main.solve_typer_info_defaults(group).name
        names |= {name} if name else _named(group.typer_instance)  # pyright: ignore[reportArgumentType]
    return names


def _names(app: typer.Typer) -> set[str]:
    """The names of an application's commands. Building them, as this does, shows whether they can be built."""
    names_only = typer.Typer(add_completion=False)
    names_only.callback()(lambda: None)  # without a callback, a single command would become the application itself
    names_only.registered_commands, names_only.registered_groups = app.registered_commands, app.registered_groups
    group = typer.main.get_command(names_only)
    assert isinstance(group, TyperGroup)
    return set(group.commands)
