"""From a card's plain mapping (YAML, JSON) or official arguments to settings, with errors that name what is wrong."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import TypeVar

from gpk.errors import InputError, UnknownNameError

Config = TypeVar("Config")


def configured(kind: type[Config], settings: Mapping[str, object], *, where: str = "config") -> Config:
    """An instance of the dataclass `kind`; lists become tuples, integers pass for floats.

    Raises UnknownNameError for a setting that `kind` does not have and InputError for one that is missing or of
    another type.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(kind)
    values: dict[str, object] = {}
    for name, value in settings.items():
        if name not in fields:
            raise UnknownNameError(f"setting of {kind.__name__}", name, fields)
        values[name] = frozen = _frozen(value)
        if not _fits(frozen, hints[name]):
            raise InputError(f"{where}: {name} is {value!r}, which is no {fields[name].type}")
    for name, field in fields.items():
        if name not in values and field.default is dataclasses.MISSING:
            raise InputError(f"{where}: {name} is missing")
    return kind(**values)


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


def _frozen(value: object) -> object:
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value


def _fits(value: object, hint: object) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, option) for option in arguments)
    if origin is typing.Literal:
        return value in arguments
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return all(_fits(item, arguments[0]) for item in value)
        return len(value) == len(arguments) and all(map(_fits, value, arguments))
    if isinstance(value, bool):
        return hint is bool
    if hint is float:
        return isinstance(value, int | float)
    return isinstance(hint, type) and isinstance(value, hint)
