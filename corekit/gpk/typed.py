"""From plain settings to the frozen dataclass beside the task that reads them, with answers to what does not fit.

Light: never imports torch.
"""

from __future__ import annotations

import reprlib
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from gpk.errors import RecipeError, UnknownNameError

T = TypeVar("T")


MOST = 100
"""Letters of a key or a value in a message."""
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = MOST


def to_dataclass(cls: type[T], mapping: Mapping[str, Any], *, source: str, others: bool = False) -> T:
    """An instance of the dataclass `cls`, nested ones included; lists become the tuples or sets that its fields are.

    Whole numbers pass as floats, and floats without a fraction (`1e5`) as whole numbers. Raises UnknownNameError for a
    key that is no field, unless `others` may be there, which are left out then, and RecipeError for a missing key or a
    value of another type; both name `source`.
    """
    return _dataclass(cls, mapping, source, "", others)


def _dataclass(cls: Any, mapping: Mapping[str, Any], source: str, prefix: str, others: bool) -> Any:  # noqa: ANN401
    own = {field.name: field for field in fields(cls) if field.init}
    hints = typing.get_type_hints(cls)
    if others:
        mapping = {key: value for key, value in mapping.items() if key in own}
    for key in mapping:
        if key not in own:
            raise UnknownNameError(f"config key in {source}", f"{prefix}{key}", [prefix + name for name in own])
    for name, field in own.items():
        if name not in mapping and field.default is MISSING and field.default_factory is MISSING:
            raise RecipeError(f"{source}: {prefix}{name} is missing: {_spoken(hints[name])} is needed")
    return cls(**{name: _value(hints[name], value, source, prefix + name, others) for name, value in mapping.items()})


def _value(hint: Any, value: Any, source: str, key: str, others: bool) -> Any:  # noqa: ANN401
    """`value` as the type `hint`, or a RecipeError that names the key."""
    if is_dataclass(hint) and isinstance(value, Mapping):
        return _dataclass(hint, value, source, f"{key}.", others)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _first_that_fits(arguments, value, source, key, hint, others)
    several = isinstance(value, Sequence | frozenset | set) and not isinstance(value, str | bytes)
    if origin in (tuple, list, frozenset, set) and several:
        items = list(value)
        kinds = arguments if _fixed(origin, arguments) else arguments[:1] * len(items)
        if len(kinds) == len(items):
            pairs = enumerate(zip(kinds, items, strict=True))
            return origin(_value(kind, item, source, f"{key}[{i}]", others) for i, (kind, item) in pairs)
    elif isinstance(origin, type) and issubclass(origin, Mapping) and isinstance(value, Mapping):
        kind = arguments[1]
        known = typing.get_args(arguments[0]) if typing.get_origin(arguments[0]) is Literal else value
        for name in value:
            if name not in known:
                raise UnknownNameError(f"config key in {source}", f"{key}.{name}", [f"{key}.{k}" for k in known])
        return {name: _value(kind, item, source, f"{key}.{name}", others) for name, item in value.items()}
    elif origin is Literal:
        if any(value == choice and type(value) is type(choice) for choice in arguments):
            return value
    elif hint in _PLAIN:
        fits, convert = _PLAIN[hint]
        if fits(value):
            return convert(value)
    elif hint is Any or (isinstance(hint, type) and isinstance(value, hint)):
        return value
    raise RecipeError(f"{source}: {_cut(key)} is {_shown(value)}, where {_spoken(hint)} is needed")


def _first_that_fits(kinds: Collection[Any], value: Any, source: str, key: str, hint: Any, others: bool) -> Any:  # noqa: ANN401
    """The exact type is preferred, so that 3 stays whole where a whole number or a float would do."""
    for kind in sorted(kinds, key=lambda kind: type(value) is not kind):
        try:
            return _value(kind, value, source, key, others)
        except RecipeError:
            continue
    raise RecipeError(f"{source}: {_cut(key)} is {_shown(value)}, where {_spoken(hint)} is needed")


def _fixed(origin: Any, arguments: tuple[Any, ...]) -> bool:  # noqa: ANN401
    return origin is tuple and arguments[-1:] != (Ellipsis,)


def _shown(value: object) -> str:
    """The value as Python writes it, as far as a line of a message has room."""
    try:
        return _cut(_SHORT.repr(value))
    except ValueError:  # of thousands of digits
        return "a number beyond all measure"


def _cut(text: str) -> str:
    return text if len(text) <= MOST else f"{text[:MOST]}…"


def _spoken(hint: Any) -> str:  # noqa: ANN401
    """The type in words."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin in (typing.Union, types.UnionType):
        return " or ".join(map(_spoken, arguments))
    if _fixed(origin, arguments):
        return "a list of " + " and ".join(map(_spoken, arguments))
    if origin in (tuple, list, frozenset, set):
        return f"a list ({_spoken(arguments[0])} each)"
    if is_dataclass(hint) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return "a mapping"
    return _WORDS.get(hint, str(getattr(hint, "__name__", hint)))


def _number(value: object) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**1023
    return whole or isinstance(value, float)


def _whole(value: object) -> bool:
    return _number(value) and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))


_PLAIN: dict[Any, tuple[Callable[[Any], bool], Callable[[Any], Any]]] = {
    int: (_whole, int),
    float: (_number, float),
    Path: (lambda value: isinstance(value, str | Path), Path),
}
_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    Path: "a path",
    type(None): "null",
}
