"""Doctests in docstrings become fenced code on the site's API pages: an extension of griffe, named in mkdocs.yml."""

from __future__ import annotations

import re
from typing import Any

from griffe import Docstring, Extension, Object

DOCTEST = re.compile(r"(?m)^( *)>>> .*(?:\n\1\S.*)*")
"""From a prompt to the next empty or less indented line."""


class Doctests(Extension):
    """Puts a fence around every doctest."""

    def on_object(self, *, obj: Object, **rest: Any) -> None:  # noqa: ANN401 - griffe's own
        """Changes the object's docstring for the page alone."""
        del rest
        if isinstance(obj.docstring, Docstring):
            obj.docstring.value = DOCTEST.sub(r"```pycon\n\g<0>\n```", obj.docstring.value)
