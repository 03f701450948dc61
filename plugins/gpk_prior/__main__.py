"""`python -m gpk_prior`, from a checkout: trains the embedded networks, and examines them."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from gpk.registry import Registry
from gpk_cli.app import Root
from gpk_cli.exit_codes import Ended, exit_code
from gpk_prior.commands import judges, train
from gpk_prior.examine import examine


def build() -> typer.Typer:
    """The application: `train`, `judges` and `examine`."""
    app = typer.Typer(
        name="gpk_prior",
        help="Train the embedded networks of procedural cats, and examine them.",
        cls=Root,
        rich_markup_mode=None,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for command in (train, judges, examine):
        app.command()(command)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `arguments`, sys.argv's where None, and returns the exit code, which means what it means of gpk."""
    command = typer.main.get_command(build())
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        command.main(words, prog_name="python -m gpk_prior", obj=Registry.discover(plugins=False))
    except Ended as ended:
        return exit_code(ended.cause, debug=False)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
