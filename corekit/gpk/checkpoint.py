"""A network as another program's file holds it, and what a backend makes of it. Light: never imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Stored:
    """One network of a file.

    `tensors` are its state dict, by the file's own names. Where the file holds the whole network and not its numbers
    alone, `arguments` are those of its constructor and `modules` the plain attributes of each module by its path; all
    in JSON's types, and empty where the file tells none. `beside` are single tensors that lie around the network.
    """

    tensors: Mapping[str, Tensor]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    modules: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    beside: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Adopted:
    """What a backend takes of it: the settings that the file states, and the tensors by the generator's own names.

    `ignored` names what is left of the file's tensors and says of each why it is not needed; `notes` are sentences for
    whoever imports it, such as what the file lacked and how it was made up.
    """

    settings: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    ignored: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
