"""How a command ends, told in a line on stderr, and the exit code of each ending.

0 done, 1 failed, 2 the user's input is wrong, or stdout takes nothing, 130 interrupted.
"""

from __future__ import annotations

import os
import traceback

from gpk.errors import GpkError, RunError, text_of
from gpk_cli.output import say
from gpk_cli.stdout import data_stream

FAILED = 1
WRONG = 2
INTERRUPTED = 130


NO_TEMPORARY = "No usable temporary directory"
"""What Python's tempfile says, where neither TMPDIR, /tmp, /var/tmp nor the working folder will do."""


class Ended(Exception):  # noqa: N818 an ending, not always an error
    """Carries what a command raised past Typer, which has exit codes and words of its own for some of it."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__()
        self.cause = cause


def exit_code(error: BaseException, *, debug: bool) -> int:
    """Says how a command ended, with the traceback where `debug`, and returns the exit code."""
    if isinstance(error, OSError) and error.filename is None and (lost := _stdout_fails()) is not None:
        if isinstance(lost, BrokenPipeError):  # as in `gpk backends | head -1`: who read has enough
            return FAILED
        error = RunError(f"nothing more can be printed on stdout: {lost.strerror}: make room, or give it another place")
    if debug:
        traceback.print_exception(error)
    if isinstance(error, KeyboardInterrupt):
        # A task that saves on its way out raises again with a sentence on what it saved.
        say(f"Interrupted: {error}" if str(error) else "Interrupted.")
        return INTERRUPTED
    if isinstance(error, GpkError):
        say(f"Error: {text_of(error)}")
        return error.exit_code
    if isinstance(error, FileNotFoundError) and str(error.strerror).startswith(NO_TEMPORARY):
        say("Error: nowhere can temporary files be written, which PyTorch does: set TMPDIR to a folder where they can")
        return WRONG
    where = "" if debug else " (`gpk --debug …` shows where)"
    if isinstance(error, OSError) and error.filename is not None:
        say(f"Error: {error.strerror}: {error.filename}{where}")
    else:
        say(f"Error: an unexpected {type(error).__name__}: {text_of(error)}{where}")
    return FAILED


def _stdout_fails() -> OSError | None:
    """What is wrong with stdout, where it is that, and not a pipe or a disk of the command's own, that failed."""
    try:
        # What did not get through may be gone from the buffer, so only something more can tell.
        print(file=data_stream(), flush=True)
    except OSError as error:
        # Python flushes once more as it ends, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), data_stream().fileno())
        return error
    return None
