"""The networks that lie in a file: whole modules and state dicts, wherever in it. Never imports torch.

A file's tree is of dicts and records. A record with parameters or children is a whole module; a dict with tensors is a
state dict; either may lie in dicts of any names, one inside the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gpk.errors import WeightsError
from gpk_checkpoints.budget import Budget
from gpk_checkpoints.inert import shown
from gpk_checkpoints.pickled import NumpyArray, Record, Strided

DEPTH = 32
"""Modules, dicts, or lists of an argument, inside each other."""
WRAPPED = 4
"""Dicts around a network."""
MOST, MOST_TEXT = 1 << 18, 1 << 26
"""Modules, tensors and values in one file, and the letters of their whole names. Real files have thousands."""
LONGEST_NAME = 500
"""Letters of a tensor's whole name, which are compared with every family's."""
FEW = 64
"""Numbers of a tensor that is an attribute of a module and neither parameter nor buffer."""
OWN = ("rendering_kwargs", "neural_rendering_resolution")
"""What a network says of itself now, which comes before what it was made with."""
INTERNAL = frozenset({"training", "training_set_kwargs"})
"""Attributes that every module of torch has, or that tell of a training's folders."""

Tensorlike = Strided | NumpyArray
Module = dict[str, Any]


@dataclass(frozen=True)
class Network:
    """One of a file's networks.

    `key` tells where it lies, "G_ema" or "model.generator", and is empty for the whole file; `kind` is the name of its
    class where the file tells; `arguments` are its constructor's and `modules` the plain attributes of its modules by
    path, in JSON's types; `tensors`, and those `beside` it in the dict around it, are records of `pickled`, or real.
    """

    key: str
    kind: str
    tensors: Mapping[str, Any]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    modules: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    beside: Mapping[str, Any] = field(default_factory=dict)


def networks_in(tree: object, where: str) -> list[Network]:
    """Every network in the tree, in the file's order; raises WeightsError where it has no end."""
    return list(_networks(tree, "", {}, {}, Budget(where, items=MOST, size=MOST_TEXT, depth=DEPTH)))


def check_names(networks: Iterable[Network], where: str) -> None:
    """Raises WeightsError where a tensor has a name that no program gives it."""
    longest = max((len(name) for network in networks for name in network.tensors), default=0)
    if longest > LONGEST_NAME:
        raise WeightsError(f"{where} has a tensor with a name of {longest:,} letters: it is damaged. Get it anew")


def _networks(
    value: object,
    key: str,
    beside: Mapping[str, Tensorlike],
    stated: Mapping[str, Any],
    budget: Budget,
) -> Iterator[Network]:
    """`stated` are the numbers of the training's command line, where it lies around."""
    budget.spend()
    if isinstance(value, Record) and ("_parameters" in value.state or "_modules" in value.state):
        yield _whole(value, key, beside, stated, budget)
    if isinstance(value, list | tuple):  # several networks saved in a row
        value = {str(index): item for index, item in enumerate(value) if isinstance(item, dict | Record)}
    if not isinstance(value, dict) or key.count(".") > WRAPPED:
        return
    budget.spend(len(value))
    tensors = {name: item for name, item in value.items() if isinstance(name, str) and isinstance(item, Tensorlike)}
    if isinstance(args := value.get("args"), Record):  # texts among them may be paths
        stated = {str(n): v for n, v in args.state.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    if tensors:
        yield Network(key, "", tensors, stated, beside=beside)
    for name, item in value.items():
        if isinstance(name, str) and isinstance(item, dict | Record | list | tuple):
            budget.spend(size=len(key) + len(name))
            with budget.inside():
                yield from _networks(item, f"{key}.{name}" if key else name, tensors, stated, budget)


def _whole(
    root: Record, key: str, beside: Mapping[str, Tensorlike], stated: Mapping[str, Any], budget: Budget
) -> Network:
    where, root = budget.where, _unwrapped(root, budget.where)
    tensors: dict[str, Tensorlike] = {}
    modules: dict[str, Module] = {}
    waiting: list[tuple[str, int, object]] = [("", 0, root)]
    while waiting:
        prefix, depth, module = waiting.pop()
        if not isinstance(module, Record) or depth > DEPTH:
            raise WeightsError(f"{where}: {shown(prefix) or 'the generator'} is no tree of modules")
        below = [_named(module, kind, where) for kind in ("_parameters", "_buffers", "_modules")]
        names = [name for kind in below for name in kind]
        budget.spend(1 + len(names) + len(module.state), size=(1 + len(names)) * len(prefix) + sum(map(len, names)))
        tensors.update(_own_tensors(module, prefix, where))
        own = {n: v for n, v in module.state.items() if isinstance(n, str) and n[:1] != "_" and n not in INTERNAL}
        modules[prefix[:-1]] = {n: v for n, v in own.items() if _is_plain(v)}
        children = _named(module, "_modules", where).items()
        waiting += [(f"{prefix}{name}.", depth + 1, child) for name, child in children if child is not None]
    arguments = _arguments(root, budget) or stated
    return Network(key, shown(root.kind), tensors, arguments, modules, beside)


def _unwrapped(root: Record, where: str) -> Record:
    """The module that a DataParallel holds, whose arguments are those that count; any other is what it is."""
    for _ in range(WRAPPED):
        match _named(root, "_modules", where):
            case {"module": Record() as inner, **others} if not others and root.kind.endswith("DataParallel"):
                root = inner
    return root


def _is_plain(value: object) -> bool:
    """Whether an attribute is a value of JSON, or a tensor of a few numbers."""
    if isinstance(value, Strided):
        return math.prod(value.size) <= FEW
    return value is None or isinstance(value, bool | int | float | str)


def _own_tensors(module: Record, prefix: str, where: str) -> Iterator[tuple[str, Tensorlike]]:
    """Name and record of every parameter and persistent buffer, as a state dict has them."""
    passing = module.state.get("_non_persistent_buffers_set")
    passing = passing if isinstance(passing, set | frozenset) else ()
    for kind in ("_parameters", "_buffers"):
        for name, value in _named(module, kind, where).items():
            if value is None or (kind == "_buffers" and name in passing):
                continue
            if not isinstance(value, Tensorlike):
                raise WeightsError(f"{where}: {shown(prefix + name)} is no tensor")
            yield prefix + name, value


def _named(module: Record, kind: str, where: str) -> dict[str, object]:
    found = module.state.get(kind, {})
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise WeightsError(f"{where}: the {kind} of {shown(module.kind)} have no names")
    return found


def _arguments(network: Record, budget: Budget) -> dict[str, Any]:
    state = network.state
    stated = dict(state["_init_kwargs"]) if isinstance(state.get("_init_kwargs"), dict) else {}
    return _plain(stated | {name: state[name] for name in OWN if name in state}, budget)


def _plain(value: object, budget: Budget) -> Any:  # noqa: ANN401 - JSON's types
    """`value` in JSON's types, what has none as text; values that are shared are counted each time."""
    budget.spend(size=len(value) if isinstance(value, str) else 0)
    if isinstance(value, dict):
        with budget.inside():
            return {str(name): _plain(item, budget) for name, item in value.items()}
    if isinstance(value, list | tuple):
        with budget.inside():
            return [_plain(item, budget) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(str(item) for item in value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        return "a large number"
    return value if isinstance(value, bool | int | float | str) or value is None else type(value).__name__
