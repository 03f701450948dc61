"""Photos read without a line of the decoders' own on the terminal: what is wrong with a photo is gpk's sentence.

Pillow warns of odd metadata, which no one can act on, and libtiff writes on the process's stderr through C. Photos are
read in threads, so neither the list of warning filters nor the descriptor of stderr may be changed for one of them.
"""

from __future__ import annotations

import ctypes
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache

from PIL import Image


class Quiet:
    """Python's warnings ignored from when the first thread enters until the last one left, which puts back what was."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._filters = ExitStack()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """While the block runs, in this thread or another."""
        hush_libtiff()
        with self._lock:
            if not self._inside:
                self._filters.enter_context(warnings.catch_warnings())
                warnings.simplefilter("ignore")
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside:
                    self._filters.close()


quietly = Quiet()


@lru_cache
def hush_libtiff() -> None:
    """Takes away libtiff's handler of errors, as Pillow does with that of warnings: they reach Pillow as codes too.

    Where Pillow's library does not lead to libtiff's function (Windows, where it is built in), the lines stay.
    """
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler(None)
