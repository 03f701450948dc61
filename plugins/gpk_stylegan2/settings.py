"""Official constructor arguments: nothing that one states is passed over."""

from __future__ import annotations

from collections.abc import Mapping

from gpk.errors import InputError


def official(kwargs: Mapping[str, object], name: str) -> Mapping[str, object]:
    """The nested keyword arguments `name` of an official constructor call, empty where absent; raises InputError where
    they are no mapping.
    """
    nested = kwargs.get(name) or {}
    if not isinstance(nested, Mapping):
        raise InputError(f"{name} is {nested!r}, not a mapping")
    return nested


ANY = object()
"""An argument whose value changes nothing here, or is honoured."""


def require_known(arguments: Mapping[str, object], known: Mapping[str, object], *, where: str = "") -> None:
    """Raises InputError for an argument that is none of `known`, or has another value than the one that is honoured:
    ANY takes all. What a file states is honoured or refused by name, never passed over.
    """
    for name, value in arguments.items():
        told = f"{where}: {name}" if where else name
        if name not in known:
            raise InputError(f"{told} is {repr(value)[:60]}: what this argument changes is unknown to gpk")
        if known[name] is not ANY and value not in (known[name], None):
            raise InputError(f"{told} is {repr(value)[:60]}; only {known[name]!r} is supported")
