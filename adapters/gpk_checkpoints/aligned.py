"""Names of a file's modules and tensors by those of a generator, where the file has wrappers around its layers.

A program that puts a layer inside another, to keep factors beside it, lengthens the names of all that lies below.
What stays is the order of the words: those of `backbone.synthesis.b8.conv0` are all found, in their order, in
`backbone.synthesis.synthesis.b8.synthesis_block.conv0.synthesis_layer`, and what is left over are wrappers. Light:
never imports torch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any


def owner(path: str, names: Iterable[str]) -> str | None:
    """The one of `names` whose words occur in `path`, in their order; of several the one of most words.

    None where there is none, or more than one of most words.

    >>> owner("synthesis.synthesis.b8.block.conv0.layer.affine.layer", ["b8.conv0", "b8.conv0.affine", "b8.conv1"])
    'b8.conv0.affine'
    """
    found: dict[int, list[str]] = defaultdict(list)
    for name in names:
        if _occurs(name.split("."), path):
            found[name.count(".")].append(name)
    if not found:
        return None
    most = found[max(found)]
    return most[0] if len(most) == 1 else None


def owners(paths: Iterable[str], names: Iterable[str]) -> dict[str, str | None]:
    """The owner of each of a file's tensors among `names`; one of another last word is none."""
    by_last: dict[str, list[str]] = defaultdict(list)
    for name in names:
        by_last[name.rpartition(".")[2]].append(name)
    return {path: owner(path, by_last[path.rpartition(".")[2]]) for path in paths}


def unwrapped(modules: Mapping[str, Mapping[str, Any]], names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The attributes of a file's modules by the paths `names` of the generator's: those of a layer and of what is
    wrapped around it together. A module that has no owner keeps its own path.
    """
    names = [name for name in names if name]
    merged: dict[str, dict[str, Any]] = defaultdict(dict)
    for path, attributes in modules.items():
        merged[owner(path, names) or path].update(attributes)
    return dict(merged)


def _occurs(words: Iterable[str], path: str) -> bool:
    left = iter(path.split("."))
    return all(word in left for word in words)
