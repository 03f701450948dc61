"""What plugins offer: a value with its offerer, and the check that a hook returned what its specification says.

Light: never imports torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from gpk.errors import PluginError
from gpk.framing import Framing
from gpk.plugin import Backend, Card, DetectorCard, JudgeCard, Task

T = TypeVar("T")
Descriptor = Backend | Task | JudgeCard | DetectorCard
D = TypeVar("D", bound=Descriptor)

KINDS: dict[type[Descriptor], str] = {
    Backend: "backend",
    Task: "task",
    JudgeCard: "judge",
    DetectorCard: "detector",
}
"""The descriptors a plugin may offer, and what a person calls each; the hook of a kind is gpk_<kind>s."""
NAME = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
"""Names are typed on command lines and written into files: lower case, digits, single dots, dashes and underscores."""


def file_name(name: str) -> str:
    """A name as it stands in the names of files, where a variant's colons would be none on Windows.

    >>> file_name("module:nets.dcgan:Generator")
    'module-nets.dcgan-Generator'
    """
    return name.replace(":", "-")


@dataclass(frozen=True)
class Offer(Generic[T]):
    """A value, and the plugin and distribution that offer it."""

    value: T
    plugin: str
    distribution: str


def checked(wanted: type[D], returned: object) -> tuple[D, ...]:
    """What a hook returned, as a tuple of `wanted`; empty where it returned None.

    Raises PluginError where it is no sequence of them, or one is unusable.

    >>> checked(Task, ["personalize"])
    Traceback (most recent call last):
    ...
    gpk.errors.PluginError: gpk_tasks offers 'personalize' (a str), not a Task
    """
    kind = KINDS[wanted]
    hook = f"gpk_{kind}s"
    if returned is None:
        return ()
    if not isinstance(returned, Sequence) or isinstance(returned, str | bytes):
        raise PluginError(f"{hook} returned a {type(returned).__name__}, not a sequence of {wanted.__name__}")
    for value in returned:
        if not isinstance(value, wanted):
            raise PluginError(f"{hook} offers {value!r} (a {type(value).__name__}), not a {wanted.__name__}")
        if fault := "; ".join(_faults(value)):
            raise PluginError(f"{hook} offers the {kind} {value.name!r}: {fault}")
    names = [value.name for value in returned]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise PluginError(f"{hook} offers more than one {kind} named {', '.join(twice)}")
    return tuple(returned)


def _faults(value: Descriptor) -> Iterable[str]:
    """Sentences on what is wrong with a descriptor: dataclasses do not check their fields, and a fault told here
    names its plugin, where one met later names a line of ours.
    """
    if not isinstance(value.name, str) or not NAME.fullmatch(value.name):
        yield "a name is lower-case letters and digits, joined by single dots, dashes or underscores"
    if not isinstance(value.summary, str) or not value.summary:
        yield "a summary is one sentence of text"
    if isinstance(value, Backend):
        cards = value.cards if isinstance(value.cards, tuple) else (None,)
        if not all(isinstance(card, Card) for card in cards) or not (cards or value.variant):
            yield "cards is a tuple of at least one Card"
        if not callable(value.build):
            yield "build is a function from a config to a generator"
        if value.fit is not None and not callable(value.fit):
            yield "fit is a function from a config and tensor shapes to a config, or None"
        if value.meaning is not None and not callable(value.meaning):
            yield "meaning is a function from noise to numbers by name, or None"
        if value.variant is not None and not callable(value.variant):
            yield "variant is a function from a name to a Backend, or None"
        if value.framing is not None and not isinstance(value.framing, Framing):
            yield "framing is a Framing, or None"
        if not isinstance(value.tiny, Mapping):
            yield "tiny is a mapping of settings"
    elif isinstance(value, Task):
        if not callable(value.run):
            yield "run is a function"
        if not isinstance(value.tiny, Mapping):
            yield "tiny is a mapping of settings"
    elif isinstance(value, DetectorCard):
        if not isinstance(value.finds, str) or not value.finds:
            yield "finds is a word for whom it finds"
        if not isinstance(value.licence, str) or not value.licence:
            yield "licence is that of what finds"
        if not callable(value.load):
            yield "load is a function from a model file or None to a detector"
    else:
        if value.kind not in ("judge", "distance", "attributes"):
            yield "kind is 'judge', 'distance' or 'attributes'"
        if not callable(value.load):
            yield "load is a function from a weights file or None to a module"
        if value.variant is not None and not callable(value.variant):
            yield "variant is a function from a name to a JudgeCard, or None"
