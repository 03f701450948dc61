"""YAML with plain values alone: texts, numbers, truth values, nothing, lists and mappings. Light: never imports torch.

PyYAML's safe loader with its traps closed: `1e-3` is a number (PyYAML follows YAML 1.1, where it is text), a date stays
the text that it is, a key given twice is an error instead of the last one winning, and what an alias repeats is
counted, so that a few lines that double each other cost what they say.
"""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from gpk_checkpoints.budget import Budget, brief

PLAIN = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str", "seq", "map", "merge")
)
"""The tags that are read."""
EXPONENT = re.compile(r"[-+]?(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)[eE][-+]?\d+")
"""A number with an exponent."""
LARGEST = 1 << 63
"""Whole numbers are below it: Python computes with longer ones, and refuses to print them."""
TRAPS = (ValueError, ArithmeticError, LookupError, TypeError)
"""What PyYAML raises on a literal that looks like a number and is none, such as `0b_`."""


def parse_yaml(content: bytes, budget: Budget) -> Any:  # noqa: ANN401 - YAML's types
    """What the YAML text says. Raises yaml.YAMLError where it is none, UnicodeDecodeError where it is no UTF-8, and the
    budget's error where it would cost too much.
    """
    loader = _Loader(content.decode("utf-8-sig"), budget)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


class _Loader(yaml.SafeLoader):
    def __init__(self, text: str, budget: Budget) -> None:
        self._budget = budget
        self._repeated: dict[str, int] = {}
        super().__init__(text)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401 - PyYAML's
        event: Any = self.peek_event()
        anchor = event.anchor
        if isinstance(event, yaml.AliasEvent) and anchor in self.anchors:
            if anchor not in self._repeated:
                raise ConstructorError(None, None, "an alias of what it lies in", event.start_mark)
            self._budget.spend(self._repeated[anchor])
            return super().compose_node(parent, index)
        before = self._budget.items
        self._budget.spend()
        with self._budget.inside():
            node = super().compose_node(parent, index)
        if anchor is not None:
            self._repeated[anchor] = before - self._budget.items
        return node

    def construct_object(self, node: Any, deep: bool = False) -> Any:  # noqa: ANN401 - PyYAML's
        try:
            value = super().construct_object(node, deep)
        except TRAPS as error:
            raise ConstructorError(
                None, None, f"{brief(str(node.value), 40)!r} is no value", node.start_mark
            ) from error
        if isinstance(value, int) and abs(value) >= LARGEST:
            raise ConstructorError(None, None, "a whole number of more than 63 bits", node.start_mark)
        return value

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict[Any, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise ConstructorError(None, None, "what is tagged as a mapping is none", node.start_mark)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    what = f"the key {brief(key.value, 40)!r} twice"
                    raise ConstructorError(None, None, what, key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.yaml_constructors = {
    tag: make for tag, make in yaml.SafeLoader.yaml_constructors.items() if tag is None or tag in PLAIN
}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag in PLAIN]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", EXPONENT, list("-+.0123456789"))
