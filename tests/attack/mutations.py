"""Wrong inputs made of right ones, by a random generator of a fixed seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

ODD: Sequence[Any] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 10**40, 0.0, -0.5, 1e-300, 1e300, float("inf"),
    float("-inf"), float("nan"), "", "x", "\0", "../x", "NaN", "1", "\ud800", "é" * 3, "x" * 5000, [], [[]], {}, [None],
    {"": ""}, [1, "a"], {"a": {"a": {}}},
)  # fmt: skip
"""Values that nobody expects somewhere."""
BYTES = (0, 1, 2, 0x7F, 0x80, 0xFF)


def bytewise(content: bytes, rng: random.Random, *, fragments: Sequence[bytes] = ()) -> bytes:
    """`content` with one to four changes: bytes flipped, cut, doubled, moved, or a fragment put in."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(len(data) + 1)
        length = min(rng.choice((1, 1, 2, 4, 8, 64, 512)), len(data) - at)
        match rng.randrange(7 if fragments else 6):
            case 0:
                data[at : at + 1] = bytes([rng.choice(BYTES)]) if at < len(data) else b""
            case 1:
                data[at : at + 1] = bytes([data[at] ^ 1 << rng.randrange(8)]) if at < len(data) else b""
            case 2:
                del data[at : at + length]
            case 3:
                data[at:at] = data[at : at + length]
            case 4:
                to = rng.randrange(len(data) + 1)
                data[to : to + length] = data[at : at + length]
            case 5:
                del data[at:]
            case _:
                data[at:at] = rng.choice(fragments)
    return bytes(data)


def valuewise(document: Any, rng: random.Random, *, odd: Sequence[Any] = ODD) -> Any:
    """A copy of a document of JSON's types with one value changed, left out, doubled or renamed, anywhere in it."""
    places = list(_places(document))
    chosen = rng.choice(places) if places else ()
    return _changed(document, chosen, lambda value: _odd(value, rng, odd), rng)


def _places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if way:
        yield way
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _places(item, (*way, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _places(item, (*way, index))


def _changed(value: Any, way: tuple[Any, ...], change: Callable[[Any], Any], rng: random.Random) -> Any:
    if not way:
        return change(value)
    here, *rest = way
    if rest:
        inner = _changed(value[here], tuple(rest), change, rng)
        return {**value, here: inner} if isinstance(value, dict) else [*value[:here], inner, *value[here + 1 :]]
    kind = rng.randrange(6)
    if isinstance(value, dict):
        if kind == 0:
            return {key: item for key, item in value.items() if key != here}
        if kind == 1:
            return {(rng.choice(("", "x", str(key) * 2)) if key == here else key): item for key, item in value.items()}
        return {**value, here: change(value[here])}
    if kind == 0:
        return [*value[:here], *value[here + 1 :]]
    if kind == 1:
        return [*value[: here + 1], *value[here:]]
    return [*value[:here], change(value[here]), *value[here + 1 :]]


def _odd(value: Any, rng: random.Random, odd: Sequence[Any]) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool) and rng.random() < 0.3:
        return rng.choice((-value, value + 1, value * 1000, value * 1e-3, value * 1e30, str(value), [value]))
    if isinstance(value, str) and rng.random() < 0.3:
        return rng.choice((value[:-1], value + "x", value.upper(), value * 50, f"{value}\0", value[::-1]))
    return rng.choice(odd)
