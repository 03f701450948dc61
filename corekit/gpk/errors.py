"""The one tree of errors: each message says what is wrong, where, and what to do now.

`exit_code` is what the command line ends with: 2 where the user's input is wrong, 1 where the work failed.
"""

import difflib
from collections.abc import Iterable


class GpkError(Exception):
    """Root of everything gpk raises on purpose."""

    exit_code = 1


class InputError(GpkError):
    """What the user gave cannot be used; mending it is up to the user."""

    exit_code = 2


class AlbumError(InputError):
    """The album is missing, empty, or unusable."""


class LabelError(AlbumError):
    """A camera label is not EG3D's 25 numbers."""


class WeightsError(InputError):
    """A weights file is missing, of another family, or not whole."""


class RecipeError(InputError):
    """A setting is impossible, such as a rank beyond the layer."""


class PersonaError(InputError):
    """A persona file is damaged or belongs to another generator."""


class RunError(InputError):
    """The output folder cannot be used."""


class ExtraError(InputError):
    """An optional dependency or file is absent; the message names what to install or download."""


class PluginError(GpkError):
    """A plugin broke the contract."""


class UnknownNameError(InputError):
    """A name nobody offers.

    >>> str(UnknownNameError("backend", "eg3d-afqh", ["eg3d-afhq", "stylegan2"]))
    "unknown backend 'eg3d-afqh': did you mean 'eg3d-afhq'? Known: eg3d-afhq, stylegan2"
    """

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        super().__init__(f"unknown {what} {name!r}: {hint}Known: {', '.join(known) or 'none'}")


def text_of(error: BaseException) -> str:
    """What an error says; other people's errors may fail at that too."""
    try:
        return str(error)
    except Exception as failed:
        return f"an error that cannot tell its own text ({type(failed).__name__})"
