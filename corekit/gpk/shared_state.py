"""What all code of one process shares, put back where a plugin has changed it. Light: never imports torch.

A default dtype, gradients or the YAML reader that one plugin changes for itself are changed for all others, and for
gpk's own figures. Only modules that are imported are looked at; of one that was imported meanwhile, what it begins
with is known, or nothing is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

UNKNOWN = object()
"""Stands for what cannot be told, which is not put back."""


class Shared(NamedTuple):
    """Something that `module` keeps for all: `read` gives its value, `write` puts one back; `initial` is the value that
    the module begins with.
    """

    name: str
    module: str
    read: Callable[[Any], Any]
    write: Callable[[Any, Any], object]
    initial: Callable[[Any], Any] = lambda module: UNKNOWN

    def value(self) -> Any:  # noqa: ANN401 whatever it keeps
        """What it is now."""
        try:
            return self.read(sys.modules[self.module])
        except (KeyError, AttributeError, OSError):  # not imported, or not whole; a folder that is gone
            return UNKNOWN

    def restored(self, before: Any) -> bool:  # noqa: ANN401 as above
        """Puts `before` back; whether anything had to be."""
        now = self.value()
        if now is UNKNOWN:
            return False
        module = sys.modules[self.module]
        wanted = self.initial(module) if before is UNKNOWN else before
        if wanted is UNKNOWN or now == wanted:
            return False
        self.write(module, wanted)
        return True


def _yaml(module: Any) -> tuple[Any, ...]:  # noqa: ANN401 a module
    """What PyYAML's safe reader makes of a file."""
    loader = module.SafeLoader
    resolvers = {letter: tuple(found) for letter, found in loader.yaml_implicit_resolvers.items()}
    constructors = dict(loader.yaml_constructors), dict(loader.yaml_multi_constructors)
    return module.safe_load, module.load, *constructors, resolvers


def _put_yaml_back(module: Any, before: tuple[Any, ...]) -> None:  # noqa: ANN401 a module
    module.safe_load, module.load, constructors, several, resolvers = before
    module.SafeLoader.yaml_constructors, module.SafeLoader.yaml_multi_constructors = constructors, several
    module.SafeLoader.yaml_implicit_resolvers = {letter: list(found) for letter, found in resolvers.items()}


SHARED = (
    Shared("the recursion limit", "sys", lambda sys: sys.getrecursionlimit(), lambda sys, n: sys.setrecursionlimit(n)),
    Shared("the current folder", "os", lambda os: os.getcwd(), lambda os, path: os.chdir(path)),
    Shared("what Ctrl-C does", "signal", lambda m: m.getsignal(m.SIGINT), lambda m, act: m.signal(m.SIGINT, act)),
    Shared("how YAML is read", "yaml", _yaml, _put_yaml_back),
    Shared(
        "torch's default dtype", "torch",
        lambda torch: torch.get_default_dtype(), lambda torch, dtype: torch.set_default_dtype(dtype),
        lambda torch: torch.float32,
    ),
    Shared(
        "torch's gradients", "torch",
        lambda torch: torch.is_grad_enabled(), lambda torch, on: torch.set_grad_enabled(on),
        lambda torch: True,
    ),
    Shared(
        "torch's default device", "torch",
        lambda torch: torch.get_default_device(),
        # None, for naming the CPU would have every call of torch pass through a mode.
        lambda torch, device: torch.set_default_device(None if device.type == "cpu" else device),
        lambda torch: torch.device("cpu"),
    ),
)  # fmt: skip


@contextmanager
def kept() -> Iterator[list[str]]:
    """Puts back what the block changed, and gives a list which then has the names of that."""
    before = [shared.value() for shared in SHARED]
    changed: list[str] = []
    try:
        yield changed
    finally:
        changed += [shared.name for shared, value in zip(SHARED, before, strict=True) if shared.restored(value)]
