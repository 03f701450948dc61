"""The command line: the only code that talks to a person. Data goes to stdout, messages and progress to stderr."""

from gpk_cli.app import main

__all__ = ["main"]
