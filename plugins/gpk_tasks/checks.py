"""What numbers settings may be, said the same way of all of them. Light: never imports torch.

`spelled` is how a message spells a setting's name, such as "tuning.{}": there are steps of inversion and of tuning. A
setting that is None is not looked at.
"""

from __future__ import annotations

from gpk.errors import RecipeError, UnknownNameError

LARGEST = 1e30
"""Of a setting that is a number: more leaves no room in 32 bits to calculate with it."""


def at_least(settings: object, least: float, *names: str, spelled: str = "{}") -> None:
    """Raises RecipeError for a number below `least`, above LARGEST, or none at all (NaN)."""
    for name in names:
        if (value := getattr(settings, name)) is None:
            continue
        if not value >= least:
            raise RecipeError(f"{spelled.format(name)} must be at least {least}, not {value}")
        _bounded(name, value, spelled)


def above_zero(settings: object, *names: str, spelled: str = "{}") -> None:
    """Raises RecipeError for a number that is not above 0, or above LARGEST."""
    for name in names:
        if (value := getattr(settings, name)) is None:
            continue
        if not value > 0:
            raise RecipeError(f"{spelled.format(name)} must be above 0, not {value}")
        _bounded(name, value, spelled)


def one_of(settings: object, **choices: tuple[str, ...]) -> None:
    """Raises UnknownNameError for a setting that is none of its choices."""
    for name, known in choices.items():
        if getattr(settings, name) not in known:
            raise UnknownNameError(name, str(getattr(settings, name)), known)


def _bounded(name: str, value: float, spelled: str) -> None:
    if not value <= LARGEST:
        raise RecipeError(f"{spelled.format(name)} must be at most {LARGEST:g}, not {value}")
